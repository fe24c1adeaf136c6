"""How events change what the viewer shows of a jigsaw."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smalti.core.progress import Step
from smalti.ground import Ground
from smalti.jigsaw.placement import Laid, Packed, Sought
from smalti.jigsaw.pose import Pose
from smalti.jigsaw.refine import deformation
from smalti.jigsaw.shapes import ShapeLibrary
from smalti.plugin.viewer import coverage
from smalti.plugin.viewer.controls import begun, dragged, look_after, pressed
from smalti.plugin.viewer.event import (
    Change,
    Event,
    Key,
    Passed,
    Pointer,
    Said,
    Told,
    Wheel,
    Wish,
)
from smalti.plugin.viewer.jigsaw_engine import Answer
from smalti.plugin.viewer.jigsaw_state import History, JigsawState, tile_at
from smalti.plugin.viewer.panel import focused, tuned
from smalti.plugin.viewer.past import begun_again, gone_on, recalled, told, wished
from smalti.plugin.viewer.stage import fitted, panned
from smalti.request import Jigsaw

Outcome = tuple[JigsawState, tuple[Wish, ...]]

_NEWEST = 400  # tiles whose energies are plotted


def after(state: JigsawState, event: Event) -> Outcome:
    """Apply an event to a jigsaw; see `kinds.after`."""
    new, wishes = _after(state, event)
    if (new.answer is None) != (state.answer is None):
        new = replace(new, seen=new.aside, aside=new.seen)
    other = new.placements is not state.placements or state.dragging
    if not new.dragging and (other or new.under != state.under):
        new = replace(new, hovered=tile_at(new, *new.pointer))
    return new, wishes


def _after(state: JigsawState, event: Event) -> Outcome:
    match event:
        case Told(news=Step() as step):
            return _stepped(state, step), ()
        case Told(news=Answer() as answer):
            return gone_on(_answered(state, answer))
        case Told(news=Said()) if state.answer is not None:  # what was under way has failed
            state = replace(state, placements=state.answer.placements, contours=None, sought=None)
            state = recalled(replace(state, again=()))
        case Passed(seconds=seconds) if state.running and not state.paused:
            if state.phase == "pack":
                state = replace(state, seconds=state.seconds + seconds)
        case Wheel() if state.held is not None:
            return _turned_in_hand(state, state.pose or state.held[2], event), ()
    if (common := look_after(state, event)) is not None:
        return common
    match event:
        case Key(name=name):
            return _keyed(state, name)
        case Pointer():
            return _pointed(state, event)
    return state, ()


def _stepped(state: JigsawState, step: Step) -> JigsawState:
    said = step.text or step.phase
    if step.total:
        said += f" {step.done:,} of {step.total:,}"
    state = replace(state, phase=step.phase, said=said, running=True)
    made = step.made
    if made is None:
        return state
    if isinstance(made, Ground):
        height, width = made.labels.shape
        bare = replace(
            state,
            history=History(),
            steps=0,
            seconds=0.0,
            placements=(),
            answer=None,
            coverage=(),
            terms=(),
            bent=(),
            selected=-1,
        )
        counted = replace(bare, ground=made, containers=_count(made.labels))
        return fitted(replace(counted, raster=(width, height)))
    if isinstance(made, ShapeLibrary):
        return replace(state, library=made)
    if isinstance(made, Packed) and step.phase == "pack":  # anew; these stay
        state = replace(state, history=History(made.placements), steps=0, seconds=0.0)
        return replace(state, placements=(), contours=None, coverage=(), terms=(), bent=())
    if isinstance(made, Packed):
        return replace(state, placements=made.placements, contours=None, sought=None)
    if isinstance(made, np.ndarray) and step.phase == "refine":
        bent = (*state.bent[: step.done], _bent(state, made))
        return replace(state, contours=made, bent=bent)
    for one in made if isinstance(made, tuple) else ():
        if isinstance(one, Laid):
            state.history.news.append(one)
        elif isinstance(one, Sought):
            terms = (*state.terms[1 - _NEWEST :], one.terms)
            state = replace(state, sought=one, terms=terms)
    return replace(state, steps=len(state.history.news), coverage=coverage.watched(state))


def _count(labels: NDArray[np.intp]) -> int:
    """How many containers there are."""
    return len(np.unique(labels[labels >= 0]))


def _bent(state: JigsawState, contours: NDArray[np.float64]) -> float:
    """How far tiles have left their shapes, on average."""
    if state.library is None:
        return 0.0
    moving = state.placements[len(state.placements) - len(contours) :]
    rest = state.library.contours[[placement.tile for placement in moving]]
    return float(deformation(contours, rest).mean())


def _answered(state: JigsawState, answer: Answer) -> JigsawState:
    let_go = state.answer is not None and answer.locked < state.answer.locked
    what = "unlock" if answer.said == "lock" and let_go else answer.said
    before, state = state, replace(state, covered=coverage.answered(state, answer))
    state = told(state, what, answer.undo)
    said = state.said
    if state.covered != before.covered:
        said += f": coverage {state.covered:.1%}"
    if answer.quality is not None:
        found = answer.quality
        said = (
            f"{len(answer.placements):,} tiles, coverage {found['coverage']:.1%}, "
            f"overlap {found['overlap']:.1%}, colour difference {found['delta_e_blurred']:.1f}"
        )
    ground, containers = state.ground, state.containers
    if answer.labels is not None and ground is not None:
        ground, containers = replace(ground, labels=answer.labels), _count(answer.labels)
    return replace(
        state,
        request=answer.request,
        ground=ground,
        containers=containers,
        answer=_whole(state.answer, answer),
        settled=True,
        placements=answer.placements,
        contours=None,
        sought=None,
        at=None,
        running=False,
        phase="done",
        said=said,
        selected=min(state.selected, len(answer.placements) - 1),
        held=None,
        pose=None,
    )


def _whole(before: Answer | None, answer: Answer) -> Answer:
    """Lay what an answer has drawn over what was drawn before, so that none of it is lost."""
    if before is None:
        return answer
    picture = before.picture.copy()
    left, top = (round(edge * answer.scale) for edge in answer.box[:2])
    height, width = answer.picture.shape[:2]
    part = picture[top : top + height, left : left + width]
    part[:] = answer.picture[: part.shape[0], : part.shape[1]]
    return replace(answer, picture=picture)


def _keyed(state: JigsawState, name: str) -> Outcome:
    if name == "escape":
        none = replace(state, selected=-1, held=None, pose=None, dragging="", brush="", stroke=())
        return none, ()
    if name in ("return", "enter"):
        return _tuned(state)
    if name == "r":
        if state.broken:
            return begun_again(state)
        return begun(state, replace(state.request, seed=state.request.seed + 1))
    if name in _WAYS:
        return _panned_or_stepped(state, *_WAYS[name])
    if name in ("e", "m"):
        brush = {"e": "divide", "m": "unite"}[name]
        return replace(state, brush="" if state.brush == brush else brush, selected=-1), ()
    if name in ("tab", "shift+tab") and state.placements:
        step = 1 if name == "tab" else -1
        first = state.selected if state.selected >= 0 else min(0, -step)
        return replace(state, selected=(first + step) % len(state.placements)), ()
    return _changed(state, name)


_WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_CHANGES = {"delete": "remove", "b": "ban", "l": "lock", "f": "exchange"}
_HISTORY = {"ctrl+z": "undo", "ctrl+y": "redo", "ctrl+shift+z": "redo"}


def _panned_or_stepped(state: JigsawState, right: int, down: int) -> Outcome:
    """Move the picture, or the tile that is selected."""
    if 0 <= state.selected < len(state.placements) and not state.running:
        pose = state.placements[state.selected].pose
        moved = pose._replace(x=pose.x + 2 * right, y=pose.y + 2 * down)
        return wished(state, Change("move", state.selected, moved))
    return panned(state, -60 * right, -60 * down), ()


def _changed(state: JigsawState, name: str) -> Outcome:
    """Ask for a change by hand, of the tile that is selected or under the pointer."""
    if state.running or state.answer is None:
        return state, ()
    if name in _HISTORY:
        return wished(state, Change(_HISTORY[name]))
    number = state.selected if state.selected >= 0 else state.hovered
    if name in ("f", "p") and number < 0:
        return _changed_at_pointer(state, name)
    if name == "p":
        return _repacked(state, state.placements[number].container)
    if name in ("[", "]", "{", "}") and number >= 0:
        turned = _turned(state.placements[number].pose, name)
        return wished(state, Change("move", number, turned))
    if name in _CHANGES and number >= 0:
        state = replace(state, selected=-1 if name == "delete" else number)
        return wished(state, Change(_CHANGES[name], number))
    return state, ()


def _changed_at_pointer(state: JigsawState, name: str) -> Outcome:
    """Ask for a change where no tile is: of the gap, or of the container, under the pointer."""
    x, y = state.view.to_raster(*state.pointer)
    width, height = state.raster
    label = -1
    if state.over(*state.pointer) and 0 <= x < width and 0 <= y < height and state.ground:
        label = int(state.ground.labels[int(y), int(x)])
    if label < 0:
        return replace(state, said=f"{name.upper()} needs the pointer over the mosaic"), ()
    if name == "f":
        return wished(state, Change("fit", pose=Pose(0.0, 1.0, x, y)))
    return _repacked(state, label)


def _repacked(state: JigsawState, label: int) -> Outcome:
    """Ask for a container to be packed anew."""
    return wished(state, Change("repack", request=state.request, containers=frozenset({label})))


def _turned(pose: Pose, name: str) -> Pose:
    """Turn a tile, or scale it."""
    if name in ("{", "}"):
        return pose._replace(scale=pose.scale * (1.06 if name == "}" else 1 / 1.06))
    return pose._replace(theta=pose.theta + (0.15 if name == "]" else -0.15))


def _turned_in_hand(state: JigsawState, pose: Pose, event: Wheel) -> JigsawState:
    """Turn a tile in hand, or scale it."""
    if event.turning:
        return replace(state, pose=pose._replace(scale=pose.scale * 1.06**event.steps))
    return replace(state, pose=pose._replace(theta=pose.theta + 0.12 * event.steps))


def _pointed(state: JigsawState, event: Pointer) -> Outcome:
    before, state = state.pointer, replace(state, pointer=(event.x, event.y))
    if event.kind == "down":
        return _pressed(state, event), ()
    if event.kind == "up":
        return _released(state)
    if state.dragging == "tile" and state.held is not None:
        x, y = state.view.to_raster(event.x, event.y)
        left, top, _ = state.held
        own = state.pose or state.held[2]
        from_x, from_y = state.held[2].x + x - left, state.held[2].y + y - top
        return replace(state, pose=own._replace(x=from_x, y=from_y)), ()
    if state.dragging == "stroke":
        point = state.view.to_raster(event.x, event.y)
        return replace(state, stroke=(*state.stroke, point)), ()
    if state.dragging:
        return dragged(state, before, event), ()
    return state, ()


def _pressed(state: JigsawState, event: Pointer) -> JigsawState:
    if (beside := pressed(state, event)) is not None:
        return beside
    free = event.button == 1 and not state.running and state.answer is not None
    if event.button == 1 and state.brush and not free:
        return state  # below it says what is waited for
    if free and state.brush:
        point = state.view.to_raster(event.x, event.y)
        return replace(state, dragging="stroke", stroke=(point,))
    under = tile_at(state, event.x, event.y)
    if free and under >= 0 and state.answer is not None and under in state.answer.locked:
        return replace(state, selected=under, said="this tile is locked: L lets it go")
    if free and under >= 0:
        x, y = state.view.to_raster(event.x, event.y)
        held = (x, y, state.placements[under].pose)
        return replace(state, selected=under, held=held, pose=None, dragging="tile")
    return replace(state, dragging="view", selected=-1)


def _released(state: JigsawState) -> Outcome:
    what, pose, stroke = state.dragging, state.pose, state.stroke
    state = replace(state, dragging="", held=None, pose=None, stroke=())
    if what == "stroke":
        if len(stroke) < 2:
            return state, ()
        return wished(state, Change(state.brush, stroke=stroke))
    if what == "tile" and pose is not None:
        return wished(state, Change("move", state.selected, pose))
    return _tuned(state) if what == "slider" else (state, ())


def _tuned(state: JigsawState) -> Outcome:
    """Pack with a slider where it was brought."""
    slider, request = focused(state), tuned(state)
    if slider is None or not isinstance(request, Jigsaw):
        return state, ()
    if slider.anew or state.answer is None:
        return begun(state, request)
    tuned_so = replace(state, request=request, tuned=None)
    return wished(tuned_so, Change("repack", request=request))

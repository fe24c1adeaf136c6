"""What was done: put in words, remembered, recalled, and asked for again after a crash."""

from dataclasses import replace
from typing import Any, TypeVar

from smalti.plugin.viewer.controls import begun
from smalti.plugin.viewer.event import Change, Make, Wish
from smalti.plugin.viewer.stage import Past, Stage

_WORDS = {
    "done": "made",
    "opened": "opened",
    "move": "moved 1 tile",
    "remove": "took 1 tile away",
    "fit": "filled a gap",
    "swap": "swapped 2 photos",
    "exchange": "laid another there",
    "ban": "banned it everywhere",
    "lock": "locked it",
    "unlock": "let it go",
    "repack": "packed anew",
    "divide": "cut containers",
    "unite": "joined containers",
}

S = TypeVar("S", bound=Stage)


def wished(stage: S, change: Change) -> tuple[S, tuple[Wish, ...]]:
    """Ask for a change; until it is done there is no other."""
    return replace(stage, running=True, asked=change), (change,)


def told(stage: S, said: str, undo: int) -> S:
    """Put what the engine has done in words, and remember how it came to be, or recall it.

    Parameters
    ----------
    stage : Stage
    said : str
        What was wished, as the engine calls it.
    undo : int
        How many changes can be taken back now.
    """
    if said in _WORDS:
        watched = tuple(getattr(stage, name) for name in stage.WATCHED)
        new = Past(_WORDS[said], stage.asked, watched)
        return replace(stage, said=new.said, past=(*stage.past[:undo], new), depth=undo)
    which = undo + 1 if said == "undo" else undo
    words = {"undo": "undone", "redo": "done again"}
    if said in words and which < len(stage.past):
        said = f"{words[said]}: {stage.past[which].said}"
    return recalled(replace(stage, said=said, depth=undo, again=()))


def recalled(stage: S) -> S:
    """Show how the mosaic of now came to be, whatever has been laid since."""
    if not 0 <= stage.depth < len(stage.past):
        return stage
    watched: dict[str, Any] = dict(zip(stage.WATCHED, stage.past[stage.depth].watched, strict=True))
    return replace(stage, **watched)


def begun_again(stage: S) -> tuple[S, tuple[Wish, ...]]:
    """Start again after a crash, with what was done since the newest mosaic was begun."""
    asked = [past.asked for past in stage.past[: stage.depth + 1]] or [stage.asked]
    first = max((k for k, wish in enumerate(asked) if isinstance(wish, Make)), default=0)
    make = asked[first]
    fresh, wishes = begun(stage, make.request if isinstance(make, Make) else stage.request)
    changes = tuple(wish for wish in asked[first + 1 :] if isinstance(wish, Change))
    return replace(fresh, again=changes), wishes


def gone_on(stage: S) -> tuple[S, tuple[Wish, ...]]:
    """Ask for the next of what is to be done again."""
    if not stage.again:
        return stage, ()
    return wished(replace(stage, again=stage.again[1:]), stage.again[0])

"""The two kinds of mosaic that are viewed: which state, reducer and canvas each has."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalti.core.errors import BadInput
from smalti.grid_project import GridProject
from smalti.jigsaw_project import JigsawProject
from smalti.mosaic import open_project
from smalti.plugin.viewer import grid_reducer, jigsaw_reducer
from smalti.plugin.viewer.event import Event, Wish
from smalti.plugin.viewer.grid_state import GridState
from smalti.plugin.viewer.jigsaw_state import JigsawState
from smalti.request import Jigsaw, Photomosaic, Request

if TYPE_CHECKING:
    from smalti.plugin.viewer.canvas import Canvas

State = JigsawState | GridState


def first_state(request: Request, scale: float) -> State:
    """Return what is shown of a request before anything is made."""
    if isinstance(request, Photomosaic):
        return GridState(request=request, scale=scale)
    return JigsawState(request=request, scale=scale)


def after(state: State, event: Event) -> tuple[State, tuple[Wish, ...]]:
    """Apply an event.

    Parameters
    ----------
    state : State
    event : Event

    Returns
    -------
    state : State
    wishes : tuple of Wish
        What the window must ask for, of the engine or of itself.
    """
    if isinstance(state, GridState):
        return grid_reducer.after(state, event)
    return jigsaw_reducer.after(state, event)


def canvas_of(state: State) -> "Canvas[Any]":
    """Return a canvas that draws such states."""
    from smalti.plugin.viewer.grid_canvas import GridCanvas
    from smalti.plugin.viewer.jigsaw_canvas import JigsawCanvas

    return GridCanvas() if isinstance(state, GridState) else JigsawCanvas()


def request_of(file: Path) -> Request:
    """Return what the viewer is asked to open a project with.

    Raises
    ------
    BadInput
        If it is no project, or of a mosaic that cannot be changed by hand.
    """
    project = open_project(file)
    if not isinstance(project, GridProject | JigsawProject):
        raise BadInput(
            f"{file.name} is the project of another kind of mosaic than the viewer's two: give a "
            "photomosaic's or a jigsaw's"
        )
    if isinstance(project.request, Jigsaw):
        return replace(project.request, output="", geometry="")
    return replace(project.request, output="")

"""The interactive viewer: a mosaic being packed, and changed by hand.

A child process makes the mosaic (`engine`); what it tells and what the user does
are events (`event`); a reducer applies them to the state; a canvas draws the state
(`canvas`); the window is a thin loop around them (`window`). State, reducer, canvas
and the engine's part of a jigsaw and of a photomosaic begin with ``jigsaw_`` and
``grid_``; what both share of the state is the `stage`.
"""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

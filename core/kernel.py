"""How kernels that make no arrays of their own are compiled.

Numba counts references to every array that is handed on, atomically; where all the
kernel does is a step of a heap or a cost of one pair, that takes longer than the step.
What makes no array has none to free, so its counting is left out (the option numba's
own ufuncs are compiled with).
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

_compiler: Any = njit  # whose stubs do not know the option


def kernel(function: F) -> F:
    """Compile a function that makes no arrays."""
    compiled: F = _compiler(cache=True, _nrt=False)(function)
    return compiled


def inlined(function: F) -> F:
    """Compile a function that makes no arrays into whatever kernel calls it."""
    compiled: F = _compiler(cache=True, _nrt=False, forceinline=True)(function)
    return compiled

"""Heuristics for the optimal mosaic problem: the solvers of the field beside `core.assign`.

One solver, one module; all are called alike (`smalti.core.heuristics.solvers`)
and return what they found with the way there (`smalti.core.heuristics.search`).
"""

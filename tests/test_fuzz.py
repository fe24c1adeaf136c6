"""Every parser against Hypothesis, and against what fuzzing has found before."""

from pathlib import Path

import pytest
from fuzz.targets import TARGETS, seeds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES = Path(__file__).parent / "fuzz" / "cases"
EXAMPLES = {"containers": 25, "project_values": 250, "request": 120, "job": 150}


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_takes_or_refuses(name: str) -> None:
    target = TARGETS[name]
    for seed in seeds(name):
        target(seed)

    @settings(
        max_examples=EXAMPLES.get(name, 60),
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.binary(max_size=400))
    def any_bytes(data: bytes) -> None:
        target(data)

    any_bytes()


@pytest.mark.parametrize("name", ["project", "picture", "archive", "array", "index", "job_line"])
def test_a_parser_takes_or_refuses_what_is_nearly_right(name: str) -> None:
    """Some bytes of a good file are others, or it ends early."""
    target, good = TARGETS[name], seeds(name)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.integers(0, len(good) - 1),
        st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=4)), max_size=6),
        st.integers(0, 1 << 20),
    )
    def nearly(which: int, changes: list[tuple[int, bytes]], end: int) -> None:
        data = bytearray(good[which])
        for place, new in changes:
            place %= len(data)
            data[place : place + len(new)] = new
        target(bytes(data[: end % (2 * len(data))]))

    nearly()


@pytest.mark.parametrize(
    "case", sorted(CASES.glob("*/*")), ids=lambda case: f"{case.parent.name}-{case.name[:8]}"
)
def test_what_was_found_stays_mended(case: Path) -> None:
    TARGETS[case.parent.name](case.read_bytes())

import time
from concurrent.futures import Executor, ThreadPoolExecutor
from threading import Event

import pytest

from smalti.core.errors import Cancelled
from smalti.core.progress import Step, each_result, named


def slow_square(x: int) -> int:
    time.sleep(0.02 if x % 3 == 0 else 0)  # so that completion is out of order
    return x * x


@pytest.fixture(params=[0, 1, 4])
def executor(request: pytest.FixtureRequest) -> object:
    if request.param == 0:
        yield None
    else:
        with ThreadPoolExecutor(request.param) as pool:
            yield pool


def test_results_come_in_order(executor: Executor | None) -> None:
    steps: list[Step] = []
    results = each_result(
        slow_square, range(40), phase="p", executor=executor, progress=steps.append, ahead=5
    )
    assert list(results) == [x * x for x in range(40)]
    assert [steps[0].done, steps[-1].done, steps[-1].total] == [0, 40, 40]
    assert [s.done for s in steps] == sorted(s.done for s in steps)


def test_nothing_to_do(executor: Executor | None) -> None:
    assert list(each_result(slow_square, [], phase="p", executor=executor)) == []


def test_an_error_comes_out_as_itself(executor: Executor | None) -> None:
    with pytest.raises(ZeroDivisionError):
        list(each_result(lambda x: 1 // x, [1, 0, 1], phase="p", executor=executor))


def test_a_cancel_is_heard_while_a_worker_is_busy() -> None:
    def cancel(step: Step) -> None:
        if time.monotonic() > begin + 0.1:
            raise Cancelled

    with ThreadPoolExecutor(1) as pool:
        begin = time.monotonic()
        with pytest.raises(Cancelled):
            list(
                each_result(time.sleep, [1.0, 1.0, 1.0], phase="p", executor=pool, progress=cancel)
            )
        assert time.monotonic() - begin < 0.9


def test_only_so_many_are_in_flight() -> None:
    begun = 0

    def count(x: int) -> int:
        nonlocal begun
        begun += 1
        return x

    with ThreadPoolExecutor(2) as pool:
        results = each_result(count, range(100), phase="p", executor=pool, ahead=7)
        for done, _ in enumerate(results):
            assert begun <= done + 8


def test_what_is_finished_counts_before_its_turn() -> None:
    """The first is slow, and the others are done: whoever waits shall see it."""
    released, counted = Event(), list[int]()

    def work(x: int) -> int:
        return x if x or released.wait(10) else -1

    def watch(step: Step) -> None:
        counted.append(step.done)
        if step.done >= 9:
            released.set()

    with ThreadPoolExecutor(2) as pool:
        results = each_result(work, range(10), phase="p", executor=pool, progress=watch)
        assert list(results) == list(range(10))
    assert 9 in counted
    assert counted == sorted(counted)
    assert counted[-1] == 10


def test_steps_take_a_name() -> None:
    steps: list[Step] = []
    named("drawing", steps.append)(Step("render", 2, 3, left=1.0))
    (step,) = steps
    assert (step.phase, step.done, step.total, step.text) == ("render", 2, 3, "drawing")
    assert step.left == 1

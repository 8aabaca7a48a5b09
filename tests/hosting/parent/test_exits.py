"""Why processes end, and when they are started again."""

from __future__ import annotations

import signal

import pytest

from gridbus.hosting.parent.exits import Verdict, judge
from gridbus.hosting.parent.output import LineRate
from gridbus.hosting.parent.restarts import RestartPolicy, Restarts
from gridbus.isolation.zygote import Exit


@pytest.mark.parametrize(
    ("end", "reason", "is_final"),
    [
        (Exit(code=3), "exit", False),
        (Exit(code=0), "exit", False),
        (Exit(code=71), "memory", False),
        (Exit(signal=signal.SIGSEGV), "crash", False),
        (Exit(signal=signal.SIGXCPU), "cpu", False),
        (Exit(signal=signal.SIGKILL), "killed", False),
        (Exit(signal=signal.SIGSYS), "violation", True),
        (Exit(note="the zygote died"), "zygote", False),
        (Exit(signal=signal.SIGKILL, note="the zygote died"), "zygote", False),
        (Exit(code=3, note="the zygote died"), "exit", False),
    ],
)
def test_each_end_has_its_reason(end: Exit, reason: str, is_final: bool) -> None:
    """Only what breaks the rules is final."""
    verdict = judge(end, None)
    assert (verdict.reason, verdict.is_final) == (reason, is_final)


def test_what_it_was_killed_for_counts_more_than_how() -> None:
    """A process that was killed for a limit is not told as killed by somebody."""
    hang = Verdict("hang", "it did not move")
    assert judge(Exit(signal=signal.SIGKILL), hang) is hang


def test_the_last_words_are_told() -> None:
    """The last line that it wrote says most."""
    verdict = judge(Exit(code=1), None, "Traceback\n  File\nValueError: no\n")
    assert verdict.message == "it exited with code 1; it last wrote: ValueError: no"


def test_waiting_grows_and_ends() -> None:
    """The first start comes soon, each next one later, and after five within a minute none."""
    restarts = Restarts(RestartPolicy())
    assert [restarts.failed(float(second)) for second in range(5)] == [0.1, 0.2, 0.4, 0.8, None]


def test_what_is_long_ago_does_not_count() -> None:
    """A failure per quarter of an hour goes on for ever, each time soon."""
    restarts = Restarts(RestartPolicy())
    assert {restarts.failed(900.0 * number) for number in range(20)} == {0.1}
    assert restarts.total == 20


def test_waiting_is_never_longer_than_the_longest() -> None:
    """However many failures there may be, the wait is bounded."""
    restarts = Restarts(RestartPolicy(most=100, longest=30.0))
    waits = [restarts.failed(0.0) for _ in range(20)]
    assert waits[-1] == 30.0


def test_lines_over_the_rate_are_counted() -> None:
    """A burst goes through, then so many lines per second."""
    now = [0.0]
    rate = LineRate(lambda: now[0], per_second=10.0, burst=5.0)
    assert [rate.take() for _ in range(7)] == [True] * 5 + [False] * 2
    assert rate.dropped == 2
    now[0] = 0.25
    assert [rate.take() for _ in range(3)] == [True, True, False]

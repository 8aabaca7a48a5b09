"""When changes have settled, as pure logic."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridbus.reload.quiet import SEVERAL, Look, QuietPeriod

A, B = Path("/p/a.py"), Path("/p/b.py")
QUIET = 0.005


def look(age: float = 0.0, stamp: int = 0) -> Look:
    """A file that is there, last changed ``age`` seconds ago."""
    return Look(age, (stamp,))


@pytest.fixture
def period() -> QuietPeriod:
    """A quiet period that nothing has disturbed."""
    return QuietPeriod(QUIET)


def test_a_lone_file_settles_after_the_quiet_time(period: QuietPeriod) -> None:
    """Counted from when it was heard of, where its own time says nothing."""
    period.changed([A], 1.0, look())
    assert period.remaining(1.0, look(-3)) == pytest.approx(QUIET)
    assert period.remaining(1.0 + QUIET, look(-3)) == pytest.approx(0)


def test_time_passed_by_a_files_own_time_counts(period: QuietPeriod) -> None:
    """Hearing of a change takes longer than the quiet time: nothing is waited for twice."""
    period.changed([A], 1.0, look(0.008))
    assert period.remaining(1.0, look(0.008)) < 0


@pytest.mark.parametrize("paths", [[A, B], []])
def test_several_files_settle_50_ms_after_the_last_was_heard_of(period: QuietPeriod, paths: list[Path]) -> None:
    """And so does everything where changes may have been missed."""
    period.changed(paths, 1.0)
    period.changed(paths, 1.03, None)
    assert period.remaining(1.03, None) >= SEVERAL
    period.changed([A], 1.04, look(1))
    assert period.remaining(1.04, look(1)) >= SEVERAL


def test_a_file_that_came_or_went_settles_after_50_ms(period: QuietPeriod) -> None:
    """Rather than at once: more is to come."""
    period.changed([A], 1.0, None)
    assert period.remaining(1.0, None) == pytest.approx(SEVERAL)


def test_a_file_that_keeps_being_changed_has_to_be_quiet_for_longer_each_time(period: QuietPeriod) -> None:
    """Four times as long, up to a quarter of a second; even where the changes before were taken."""
    waits = []
    for turn in range(6):
        now = 1.0 + turn * 0.02
        period.changed([A], now, look(0, stamp=turn))
        waits.append(round(period.remaining(now, look(0)), 3))
        period.take()
    assert waits == [0.005, 0.02, 0.08, 0.25, 0.25, 0.25]


def test_a_file_that_was_left_alone_settles_quickly_again(period: QuietPeriod) -> None:
    """A second save, later than a quarter of a second, is no habit."""
    period.changed([A], 1.0, look(0, 1))
    period.changed([A], 1.1, look(0, 2))
    period.changed([A], 1.5, look(0, 3))
    assert period.remaining(1.5, look(0)) == pytest.approx(QUIET)


def test_hearing_of_one_change_twice_makes_no_habit(period: QuietPeriod) -> None:
    """One save is often told in two parts."""
    period.changed([A], 1.0, look(0, 1))
    period.changed([A], 1.01, look(0.01, 1))
    assert period.remaining(1.01, look(0.01)) < 0


def test_what_is_put_back_is_pending_with_what_came_meanwhile(period: QuietPeriod) -> None:
    """Since when it was first heard of."""
    period.changed([A], 1.0, look())
    taken = period.take()
    assert period.pending is None
    period.changed([B], 2.0, look())
    period.put_back(taken)
    assert period.pending is not None
    assert (period.pending.first, list(period.pending.paths)) == (1.0, [A, B])


def test_nothing_is_taken_where_nothing_is_pending(period: QuietPeriod) -> None:
    """Asking for it is a mistake of the asker's."""
    with pytest.raises(ValueError, match="nothing is pending"):
        period.take()
    with pytest.raises(ValueError, match="nothing is pending"):
        period.remaining(0, None)


def test_what_is_forgotten_is_not_waited_for(period: QuietPeriod) -> None:
    """The rest stays pending; nothing does where that was all."""
    period.changed([A, B], 1.0)
    period.changed([A], 1.02, look(0, 1))
    assert period.restless(1.02) == [A]
    period.forget([A])
    assert period.pending is not None
    assert period.pending.lone == B
    period.forget([B])
    assert period.pending is None
    period.forget([B])

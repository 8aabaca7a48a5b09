"""How fast a plugin may publish."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gridbus.plugins.rate import Rate


class Now:
    """A clock in a test's hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_seconds_worth_goes_through_at_once() -> None:
    """And not one event more."""
    rate = Rate(10, Now())
    assert [rate.take(may_wait=False) for _ in range(10)] == [0.0] * 10
    assert rate.take(may_wait=False) > 0
    assert rate.published == 10


def test_waiting_events_are_spread_out() -> None:
    """Each waits an interval longer than the one before."""
    rate = Rate(10, Now())
    waits = [rate.take(may_wait=True) for _ in range(13)][10:]
    assert [round(wait, 6) for wait in waits] == [0.1, 0.2, 0.3]


def test_tokens_come_back_with_time() -> None:
    """Half a second brings half of them."""
    now = Now()
    rate = Rate(10, now)
    for _ in range(10):
        rate.take(may_wait=False)
    now.seconds += 0.5
    assert [rate.take(may_wait=False) == 0 for _ in range(6)] == [True] * 5 + [False]


def test_an_episode_ends_when_the_bucket_is_half_full_again() -> None:
    """Not with the first event that need not wait."""
    now = Now()
    rate = Rate(10, now)
    for _ in range(10):
        rate.take(may_wait=False)
    rate.throttled = True
    now.seconds += 0.1
    assert rate.take(may_wait=False) == 0
    assert rate.throttled
    now.seconds += 0.6
    assert rate.take(may_wait=False) == 0
    assert not rate.throttled


def test_events_per_second_are_those_of_the_last_second() -> None:
    """What lies further back fades away."""
    now = Now()
    rate = Rate(1000, now)
    assert rate.per_second() == 0
    for _ in range(40):
        rate.take(may_wait=False)
    assert rate.per_second() == 40
    now.seconds += 1.25
    assert rate.per_second() == 30
    now.seconds += 1
    assert rate.per_second() == 0


@given(st.integers(1, 50), st.lists(st.floats(0, 2), max_size=200))
def test_no_second_sees_more_than_twice_the_limit(limit: int, pauses: list[float]) -> None:
    """A full bucket and what flows into it within the second: more cannot come out, however it is asked."""
    now = Now()
    rate = Rate(limit, now)
    times = []
    for pause in pauses:
        now.seconds += pause
        while rate.take(may_wait=False) == 0:
            times.append(now.seconds)
    for moment in times:
        within = sum(moment <= other < moment + 1 for other in times)
        assert within <= 2 * limit

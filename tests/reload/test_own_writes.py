"""Plugins that write into their own folder."""

from __future__ import annotations

from gridbus.reload.own_writes import OwnWrites


def test_data_alone_causes_a_reload_a_second_at_most() -> None:
    """The first at once."""
    writes = OwnWrites()
    assert writes.pause(10.0) == 0
    assert writes.caused(["cache.json"], 10.0)
    assert writes.pause(10.25) == 0.75
    assert writes.pause(11.5) == 0


def test_the_sixth_reload_in_a_row_for_one_file_is_the_one_too_many() -> None:
    """It is ignored from then on."""
    writes = OwnWrites()
    assert [writes.caused(["cache.json"], float(second)) for second in range(6)] == [True] * 5 + [False]
    assert writes.ignored == {"cache.json"}


def test_a_row_ends_with_another_cause_and_with_time() -> None:
    """Other files, code, or half a minute."""
    writes = OwnWrites()
    for second in range(5):
        writes.caused(["cache.json"], float(second))
    assert writes.caused(["words.txt"], 5.0)
    for second in range(5):
        writes.caused(["cache.json"], 6.0 + second)
    writes.interrupted()
    assert writes.caused(["cache.json"], 12.0)
    assert all(writes.caused(["cache.json"], 12.0 + 10 * turn) for turn in range(1, 20))

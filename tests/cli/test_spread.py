"""One option takes several names."""

from __future__ import annotations

import pytest

from gridbus.cli.spread import spread


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("run f.csv --plugins a b-c --json", "run f.csv -p a -p b-c --json"),
        ("run f.csv --plugins a,b --plugins c", "run f.csv -p a -p b -p c"),
        ("run --plugins a b flights.csv", "run -p a -p b flights.csv"),
        ("run --plugins a ./b --ops x", "run -p a ./b --ops x"),
        ("run f.csv --plugins=a,b c", "run f.csv -p a -p b c"),
        ("run f.csv --plugins pkg.mod:Class a", "run f.csv -p pkg.mod:Class -p a"),
        ("run f.csv --plugins", "run f.csv --plugins"),
        ("run f.csv --plugins --json", "run f.csv --plugins --json"),
        ("check gridbus.toml", "check gridbus.toml"),
    ],
)
def test_names_follow_each_other_until_something_else_comes(arguments: str, expected: str) -> None:
    """Files and options are no names."""
    assert spread(arguments.split(), "--plugins") == expected.replace("-p ", "--plugins ").split()

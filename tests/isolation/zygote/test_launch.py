"""How interpreters are started: places, environment, platforms."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import gridbus
from gridbus.errors import ZygoteError
from gridbus.isolation.zygote import Zygote
from gridbus.isolation.zygote.launch import environment, places

ROOT = str(Path(gridbus.__file__).parents[1])


def test_places_name_where_gridbus_is_and_what_was_asked_for() -> None:
    """A checkout is found without being installed; each place stands once, and relative ones are made absolute."""
    found = places(["here", os.path.abspath("here"), ROOT])
    assert ROOT in found
    assert found[-1] == os.path.abspath("here")
    assert len(set(found)) == len(found)


def test_only_language_and_time_zone_are_inherited() -> None:
    """What else stands in the environment may be a secret."""
    given = {"LANG": "C.UTF-8", "LC_ALL": "C", "TZ": "UTC", "PATH": "/bin", "AWS_SECRET": "x", "PYTHONPATH": "/x"}
    assert environment(given) == {"LANG": "C.UTF-8", "LC_ALL": "C", "TZ": "UTC", "MALLOC_ARENA_MAX": "1"}


async def test_windows_is_refused_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to do instead."""
    monkeypatch.setattr(sys, "platform", "win32")
    zygote = Zygote(entry="zygote_entries:commanded", preload=[])
    with pytest.raises(ZygoteError, match="run the plugin inline"):
        await zygote.spawn()


async def test_where_nothing_can_be_forked_children_are_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform without pidfds needs no option."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not Zygote(entry="zygote_entries:commanded", preload=[]).is_forking

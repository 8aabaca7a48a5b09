"""What a plugin comes from, read at one moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginCode
from gridbus.errors import PluginError, PluginNotFoundError, RemoteError
from gridbus.reload.reading import CheckoutRuns, FolderGone, NotYet, read_all
from gridbus.reload.replies import plugin_error
from gridbus.reload.sources import FileSources
from gridbus.testing import FakeClock


def test_folder_and_files_outside_are_read_together(folder: Path, tmp_path: Path) -> None:
    """What changed is named: in the folder relative to it, outside as it is."""
    shared, package = tmp_path / "shared.py", tmp_path / "package"
    shared.write_text("1")
    package.mkdir()
    (package / "a.py").write_text("1")
    before = read_all(folder, [shared, package])
    shared.write_text("2")
    (package / "a.py").write_text("2")
    (folder / "words.txt").write_text("hello you")
    (folder / "greeter.py").write_text("2")
    after = read_all(folder, [shared, package], before)
    assert after.changed_since(before) == tuple(sorted([str(shared), str(package), "greeter.py", "words.txt"]))
    assert [name for name in after.changed_since(before) if after.is_data(name, before)] == ["words.txt"]
    assert after.digest not in ("", before.digest)
    assert read_all(None, [shared]).digest == ""


def test_a_file_outside_that_is_gone_is_a_change_once_it_stays_so(tmp_path: Path) -> None:
    """Not while it is being replaced; one that never was is none."""
    shared, never = tmp_path / "shared.py", tmp_path / "never.py"
    shared.write_text("1")
    before = read_all(None, [shared, never])
    shared.unlink()
    with pytest.raises(NotYet, match="missing since a moment ago"):
        read_all(None, [shared, never], before)
    os.utime(tmp_path, (1, 1))
    after = read_all(None, [shared, never], before)
    assert after.changed_since(before) == (str(shared),)


def test_a_folder_that_is_gone_cannot_be_read(tmp_path: Path) -> None:
    """Its path is told."""
    with pytest.raises(FolderGone) as failure:
        read_all(tmp_path / "missing", [])
    assert failure.value.path == tmp_path / "missing"


@pytest.mark.parametrize("place", ["inside", "around", "behind a link"])
def test_nothing_is_read_during_a_checkout(folder: Path, tmp_path: Path, place: str) -> None:
    """Unless its lock is not believed."""
    root = folder
    if place == "behind a link":
        (tmp_path / "links").mkdir()
        root = tmp_path / "links" / "greeter"
        root.symlink_to(folder)
    lock = (folder if place == "inside" else folder.parent) / ".git" / "index.lock"
    lock.parent.mkdir()
    lock.touch()
    with pytest.raises(CheckoutRuns) as failure:
        read_all(root, [])
    assert failure.value.path == lock
    assert read_all(root, [], None, failure.value.lock).digest


def test_a_file_held_open_outside_is_waited_for(tmp_path: Path) -> None:
    """As one in the folder."""
    shared = tmp_path / "shared.py"
    with shared.open("w") as file:
        file.write("1")
        file.flush()
        with pytest.raises(NotYet):
            read_all(None, [shared])


async def test_a_look_tells_the_age_by_the_last_change_of_any_kind(folder: Path, bus: Bus) -> None:
    """A rename keeps the time of the last write, and is a change all the same."""
    sources = FileSources(PluginCode("greeter", 1, str(folder), (), ""), bus.clock)
    known = await sources.read(None, None)
    (folder / "new.tmp").write_text("2")
    os.utime(folder / "new.tmp", (1, 1))
    (folder / "new.tmp").replace(folder / "greeter.py")
    look = sources.look(folder / "greeter.py", known)
    assert look is not None
    assert 0 <= look.age < 10
    assert sources.look(folder / "unknown.py", known) is None
    assert sources.look(folder / "greeter.py", None) is None
    (folder / "greeter.py").unlink()
    assert sources.look(folder / "greeter.py", known) is None


def test_paths_in_the_folder_are_the_folders(folder: Path) -> None:
    """They are not read twice."""
    code = PluginCode("greeter", 1, str(folder), (str(folder / "words.txt"), str(folder.parent / "x.py")), "")
    sources = FileSources(code, FakeClock(), (folder.parent / "x.py",))
    assert sources.paths == (folder.parent / "x.py",)
    assert [sources.is_data(path) for path in (folder / "words.txt", folder / "greeter.py", *sources.paths)] == [
        True,
        False,
        False,
    ]


def test_errors_of_the_manager_are_what_they_were() -> None:
    """Where they are gridbus's, for plugins; others keep their name in the message."""
    found = plugin_error(RemoteError("c", "manager", "PluginNotFoundError", "no plugin 'x'", ""), "x")
    assert (type(found), str(found), found.plugin_id) == (PluginNotFoundError, "no plugin 'x'", "x")
    other = plugin_error(RemoteError("c", "manager", "BusClosed", "it is closed", ""), "x")
    assert (type(other), str(other)) == (PluginError, "BusClosed: it is closed")

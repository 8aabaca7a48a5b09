"""A folder is read as it is at one moment; only what changed is read from the disk."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gridbus.bundles import BundleTooLarge, Unsettled, read_bundle, reading
from gridbus.errors import PluginLoadError, PluginNotFoundError

Write = Callable[[dict[str, str | bytes]], Path]
GoOn = Callable[[float], None]

FILES: dict[str, str | bytes] = {
    "gridbus-plugin.toml": "[plugin]\n",
    "plugin.py": "from .parts import words\n",
    "parts/__init__.py": "",
    "parts/words.py": "GREETING = 'hello'\n",
    "parts/list.txt": "a\nb\n",
    "state.db": "nothing of the plugin's",
    "__pycache__/plugin.cpython-311.pyc": "old",
    ".git/hook.py": "1 / 0",
}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from the disk."""
    names: list[str] = []
    real = reading.read_settled

    def read(path: str) -> object:
        names.append(os.path.basename(path))
        return real(path)

    monkeypatch.setattr(reading, "read_settled", read)
    return names


def test_code_is_read_and_data_is_noted(write: Write) -> None:
    """Code and manifest with their contents, other files with size and time, and what does not matter not at all."""
    folder = write(FILES)
    bundle = read_bundle(folder)
    assert bundle.folder == folder
    assert list(bundle.files) == ["gridbus-plugin.toml", "parts/__init__.py", "parts/words.py", "plugin.py"]
    assert bundle.files["parts/words.py"].data == b"GREETING = 'hello'\n"
    assert bundle.data == {"parts/list.txt": (4, (folder / "parts/list.txt").stat().st_mtime_ns)}


def test_the_digest_is_of_names_and_contents(write: Write, tmp_path: Path) -> None:
    """A file of code that was only touched is no change; one of data is, as its content is not read."""
    folder = write(FILES)
    first = read_bundle(folder)
    os.utime(folder / "plugin.py")
    assert read_bundle(folder).digest == first.digest
    (folder / "parts/list.txt").write_text("a\nc\n")
    os.utime(folder / "parts/list.txt", (1, 1))
    second = read_bundle(folder, known=first)
    (folder / "plugin.py").rename(folder / "other.py")
    third = read_bundle(folder)
    (folder / "other.py").write_text("")
    fourth = read_bundle(folder)
    assert len({bundle.digest for bundle in (first, second, third, fourth)}) == 4
    assert second.changed_since(first) == ("parts/list.txt",)
    assert third.changed_since(second) == ("other.py", "plugin.py")
    assert fourth.changed_since(third) == ("other.py",)
    assert fourth.changed_since(fourth) == ()


def test_what_did_not_change_is_shared(write: Write, later: GoOn, opened: list[str]) -> None:
    """Files that were old when they were read are not read again; their code is compiled once."""
    folder = write(FILES)
    later(3)
    first = read_bundle(folder)
    code = first.code("parts/words.py")
    opened.clear()
    (folder / "plugin.py").write_text("from .parts.words import GREETING\n")
    second = read_bundle(folder, known=first)
    assert opened == ["plugin.py"]
    assert [path for path in second.files if second.files[path] is not first.files[path]] == ["plugin.py"]
    assert second.code("parts/words.py") is code
    assert second.code("plugin.py") is not first.code("plugin.py")


def test_a_file_that_was_new_when_it_was_read_is_read_again(write: Write, later: GoOn, opened: list[str]) -> None:
    """A second change may bear the time of the first; data and code are shared where nothing changed."""
    folder = write({"plugin.py": "VALUE = 1\n"})
    first = read_bundle(folder)
    code = first.code("plugin.py")
    later(3)
    second = read_bundle(folder, known=first)
    assert second.files["plugin.py"].data is first.files["plugin.py"].data
    assert second.code("plugin.py") is code
    third = read_bundle(folder, known=second)
    assert opened == ["plugin.py", "plugin.py"]
    assert third.files["plugin.py"] is second.files["plugin.py"]


def test_a_change_that_keeps_size_and_time_is_seen(write: Write, later: GoOn) -> None:
    """As by ``cp -p``: the time at which the file's own record changed tells."""
    folder = write({"plugin.py": "VALUE = 1\n"})
    os.utime(folder / "plugin.py", (1_000_000_000, 1_000_000_000))
    later(3)
    first = read_bundle(folder)
    write({"plugin.py": "VALUE = 2\n"})
    os.utime(folder / "plugin.py", (1_000_000_000, 1_000_000_000))
    assert read_bundle(folder, known=first).files["plugin.py"].data == b"VALUE = 2\n"


def test_a_bundle_of_another_folder_is_not_known(write: Write, tmp_path: Path, later: GoOn) -> None:
    """Its code names other files."""
    folder = write({"plugin.py": "VALUE = 1\n"})
    later(3)
    first = read_bundle(folder)
    moved = folder.rename(tmp_path / "moved")
    assert read_bundle(moved, known=first).code("plugin.py").co_filename == str(moved / "plugin.py")


def test_a_relative_folder_is_made_absolute(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program may change its working directory later."""
    folder = write({"plugin.py": ""})
    monkeypatch.chdir(folder.parent)
    assert read_bundle(folder.name).folder == folder


def test_links_are_followed_and_keep_their_names(write: Write, tmp_path: Path) -> None:
    """A folder, a folder in it, and a file: the paths are those that people use."""
    write({"plugin.py": "VALUE = 1\n"})
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "words.py").write_text("GREETING = 'hello'\n")
    folder = tmp_path / "linked"
    folder.symlink_to(tmp_path / "plugin-folder")
    (folder / "parts").symlink_to(tmp_path / "shared")
    (folder / "words.py").symlink_to(tmp_path / "shared" / "words.py")
    bundle = read_bundle(folder)
    assert list(bundle.files) == ["parts/words.py", "plugin.py", "words.py"]
    assert bundle.code("plugin.py").co_filename == str(folder / "plugin.py")
    (tmp_path / "shared" / "words.py").write_text("GREETING = 'good day'\n")
    assert read_bundle(folder, known=bundle).changed_since(bundle) == ("parts/words.py", "words.py")


def test_circles_and_links_to_nothing_are_left_out(write: Write) -> None:
    """Nothing can be imported from there."""
    folder = write({"plugin.py": "", "parts/words.py": ""})
    (folder / "nothing.py").symlink_to(folder / "nowhere.py")
    (folder / "self.py").symlink_to(folder / "self.py")
    (folder / "parts" / "above").symlink_to(folder)
    (folder / "parts" / "same").symlink_to(folder / "parts")
    assert list(read_bundle(folder).files) == ["parts/words.py", "plugin.py"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_what_is_no_file_is_left_out(write: Write) -> None:
    """A pipe would be waited for, and a folder may be called as it likes."""
    folder = write({"plugin.py": "", "odd.py/inner.py": ""})
    os.mkfifo(folder / "pipe.py")
    assert list(read_bundle(folder).files) == ["odd.py/inner.py", "plugin.py"]


def test_a_folder_that_is_not_there(write: Write, tmp_path: Path) -> None:
    """Or is a file."""
    for place in (tmp_path / "nowhere", write({"plugin.py": ""}) / "plugin.py"):
        with pytest.raises(PluginNotFoundError, match=f"there is no folder .*{place.name}"):
            read_bundle(place)


def test_a_file_that_may_not_be_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named: left out, it would only be missed by the code that imports it."""
    folder = write({"plugin.py": "", "secret.py": ""})

    def refuse(path: str) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(reading, "read_settled", refuse)
    with pytest.raises(PluginLoadError, match=r"plugin\.py cannot be read: Permission denied"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("limit", "most", "message"),
    [
        ("MAX_FILES", 3, "more than 3 files of code"),
        ("MAX_BYTES", 10, "more than 0 MiB of code"),
        ("MAX_DATA", 0, "more than 0 files beside its code"),
    ],
)
def test_a_folder_that_is_too_large(
    write: Write, monkeypatch: pytest.MonkeyPatch, opened: list[str], limit: str, most: int, message: str
) -> None:
    """The error names the limit, and nothing was read yet."""
    folder = write(FILES)
    monkeypatch.setattr(reading, limit, most)
    with pytest.raises(BundleTooLarge, match=f"plugin-folder holds {message}: .*hidden folder"):
        read_bundle(folder)
    assert opened == []


def test_an_emptied_file_is_waited_for(write: Write, later: GoOn) -> None:
    """Editors empty a file before they write it; one that stays empty is meant to be."""
    folder = write({"plugin.py": "VALUE = 1\n", "parts/__init__.py": ""})
    known = read_bundle(folder)
    (folder / "plugin.py").write_text("")
    with pytest.raises(Unsettled, match=r"plugin\.py is empty since a moment ago"):
        read_bundle(folder, known=known)
    later(0.3)
    assert read_bundle(folder, known=known).files["plugin.py"].data == b""


def test_a_file_that_is_gone_is_waited_for(write: Write, later: GoOn) -> None:
    """Editors move a file away before they write the new one; one that stays away was removed."""
    folder = write({"plugin.py": "VALUE = 1\n", "parts/words.py": ""})
    known = read_bundle(folder)
    (folder / "plugin.py").rename(folder / "plugin.py~")
    with pytest.raises(Unsettled, match=r"plugin\.py is missing since a moment ago"):
        read_bundle(folder, known=known)
    write({"plugin.py": "VALUE = 2\n"})
    assert read_bundle(folder, known=known).changed_since(known) == ("plugin.py",)
    (folder / "parts" / "words.py").unlink()
    (folder / "parts").rmdir()
    with pytest.raises(Unsettled, match=r"words\.py is missing since a moment ago"):
        read_bundle(folder, known=known)
    later(0.3)
    assert list(read_bundle(folder, known=known).files) == ["plugin.py"]


def test_a_folder_that_is_always_written_in_does_not_prolong_the_wait(write: Write, later: GoOn) -> None:
    """A plugin may keep a database beside its code, whose journal comes and goes."""
    folder = write({"plugin.py": "VALUE = 1\n", "words.py": ""})
    known = read_bundle(folder)
    (folder / "words.py").unlink()
    with pytest.raises(Unsettled):
        read_bundle(folder, known=known)
    later(0.3)
    (folder / "state.db-journal").touch()
    assert list(read_bundle(folder, known=known).files) == ["plugin.py"]


def test_a_file_that_vanishes_is_not_settled(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the listing of the folder and its turn."""
    folder = write({"a.py": "", "b.py": "", "parts/c.py": ""})
    real = reading.read_settled

    def read(path: str) -> object:
        (folder / "parts" / "c.py").unlink(missing_ok=True)
        return real(path)

    monkeypatch.setattr(reading, "read_settled", read)
    with pytest.raises(Unsettled, match=r"c\.py vanished"):
        read_bundle(folder)


def test_files_that_change_while_others_are_read_are_not_settled(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is returned is what all files held at one moment."""
    folder = write({"a.py": "VALUE = 1\n", "b.py": "VALUE = 1\n"})
    real = reading.read_settled

    def read(path: str) -> object:
        found = real(path)
        if path.endswith("a.py"):
            write({"a.py": "VALUE = 22\n"})
        return found

    monkeypatch.setattr(reading, "read_settled", read)
    with pytest.raises(Unsettled, match=r"a\.py changed while its folder was read"):
        read_bundle(folder)


def test_a_folder_that_vanishes_is_not_settled_or_not_there(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """An inner one may come back; without the plugin's own there is no plugin."""
    folder = write({"plugin.py": "", "parts/words.py": ""})
    real = os.scandir

    def scan(path: str) -> object:
        if path.endswith("parts"):
            (folder / "parts").rename(folder / "moved")
        return real(path)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(Unsettled, match="parts vanished while its folder was read"):
        read_bundle(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="others do not tell")
def test_a_file_that_is_being_written_is_not_settled(write: Write) -> None:
    """Code and manifest; data is not read, so it may be written."""
    folder = write(FILES)
    with (folder / "parts/list.txt").open("a"):
        read_bundle(folder)
    for path in ("plugin.py", "gridbus-plugin.toml"):
        with (folder / path).open("a"), pytest.raises(Unsettled, match=f"{path} is open for writing"):
            read_bundle(folder)

"""A file of lines is never left with half of one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from official_plugins.audit_log.file import LineFile


def test_lines_are_added_to_what_is_there(tmp_path: Path) -> None:
    """In a folder that is made, by a second opening too."""
    path = tmp_path / "logs" / "audit.jsonl"
    for line in (b"one\n", b"two\n"):
        file = LineFile(path, fsync=True)
        file.open()
        file.append([line, line])
        file.close()
    assert path.read_bytes() == b"one\none\ntwo\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_half_a_line_of_a_killed_writer_is_ended(tmp_path: Path) -> None:
    """What follows stands on a line of its own."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b'{"seq":1}\n{"se')
    file = LineFile(path, fsync=False)
    file.append([b"next\n"])
    file.close()
    assert path.read_bytes() == b'{"seq":1}\n{"se\nnext\n'


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full after ten bytes; afterwards it is not."""
    path = tmp_path / "audit.jsonl"
    file = LineFile(path, fsync=False)
    file.append([b"before\n"])
    room = [10]
    write = os.write

    def full(descriptor: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(descriptor, data[: room[0]])
        room[0] -= done
        return done

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            file.append([b"a line that is longer than that\n"])
    assert path.read_bytes() == b"before\n"
    file.append([b"after\n"])
    file.close()
    file.close()
    assert path.read_bytes() == b"before\nafter\n"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """The error is the system's own."""
    with pytest.raises(IsADirectoryError):
        LineFile(tmp_path, fsync=False).open()

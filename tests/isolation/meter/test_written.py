"""What is on disk is found, however it was put there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gridbus.isolation.meter.written import measure_written

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files are counted on Linux only")

PID = os.getpid()


def size_of(path: Path) -> int:
    """Bytes found in a folder, without those that this process keeps open."""
    return measure_written(PID, [str(path)]).size - measure_written(PID, []).size


def test_big_files_are_found(tmp_path: Path) -> None:
    """Twenty files, none of which is above a limit for one."""
    for number in range(20):
        with (tmp_path / str(number)).open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 1_000_000)
    assert 20_000_000 <= size_of(tmp_path) < 21_000_000


def test_many_small_files_are_found(tmp_path: Path) -> None:
    """Each takes a block, or a name at least."""
    for folder in range(10):
        (tmp_path / str(folder)).mkdir()
        for number in range(200):
            (tmp_path / str(folder) / str(number)).touch()
    assert size_of(tmp_path) >= 2010 * 4096
    assert measure_written(PID, [str(tmp_path)]).files >= 2011


def test_no_link_is_followed(tmp_path: Path) -> None:
    """Neither out of the folder nor in a circle."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "out").symlink_to("/usr")
    (folder / "circle").symlink_to(folder)
    (tmp_path / "link").symlink_to("/usr")
    assert size_of(folder) < 5 * 4096
    assert size_of(tmp_path / "link") <= 4096


def test_what_is_met_twice_counts_once(tmp_path: Path) -> None:
    """By another name, or because one path is within another."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(bytes(100_000))
    once = size_of(tmp_path)
    os.link(tmp_path / "folder" / "file", tmp_path / "folder" / "again")
    assert size_of(tmp_path) == once
    paths = [str(tmp_path), str(tmp_path / "folder")]
    assert measure_written(PID, paths).size == measure_written(PID, paths[:1]).size


def test_a_file_without_a_name_counts_while_it_is_open(tmp_path: Path) -> None:
    """One that was deleted, and memory that is a file."""
    before = measure_written(PID, [str(tmp_path)]).size
    with (tmp_path / "file").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1_000_000)
        os.unlink(tmp_path / "file")
        assert measure_written(PID, [str(tmp_path)]).size - before >= 1_000_000
    descriptor = os.memfd_create("memory")
    try:
        os.posix_fallocate(descriptor, 0, 1_000_000)
        assert measure_written(PID, []).size >= 1_000_000
    finally:
        os.close(descriptor)
    assert measure_written(PID, [str(tmp_path)]).size <= before + 4096


def test_folders_too_deep_to_be_named_are_told(tmp_path: Path) -> None:
    """What is in there cannot be counted by name, so it is not taken for nothing."""
    above = [os.open(tmp_path, os.O_RDONLY)]
    try:
        for _ in range(20):
            os.mkdir("d" * 250, dir_fd=above[-1])
            above.append(os.open("d" * 250, os.O_RDONLY, dir_fd=above[-1]))
        assert measure_written(PID, [str(tmp_path)]).hidden > 0
    finally:
        os.close(above.pop())
        while above:
            os.rmdir("d" * 250, dir_fd=above[-1])
            os.close(above.pop())
    assert measure_written(PID, [str(tmp_path)]).hidden == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_closed_folder_is_told(tmp_path: Path) -> None:
    """Its owner can write into it all the same."""
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o300)
    try:
        assert measure_written(PID, [str(tmp_path)]).hidden == 1
    finally:
        folder.chmod(0o700)


def test_what_is_not_there_is_nothing() -> None:
    """Neither a path nor a process."""
    found = measure_written(2**22 + 1, ["/nowhere/at/all"])
    assert (found.size, found.files, found.hidden) == (0, 0, 0)


def test_a_walk_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """A process that writes faster than can be counted is found nevertheless."""
    for number in range(100):
        (tmp_path / str(number)).touch()
    found = measure_written(2**22 + 1, [str(tmp_path)], lambda size: size > 10 * 4096)
    assert 10 < found.files < 15

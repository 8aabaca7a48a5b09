"""Files are read when nobody writes them, with leases and without."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gridbus.bundles import Unsettled
from gridbus.bundles.settling import read_settled, stamp_of

linux = pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")
if sys.platform == "linux":
    import fcntl


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of code that was saved long ago."""
    path = tmp_path / "plugin.py"
    path.write_bytes(b"VALUE = 1\n" * 1_000)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


@pytest.fixture
def no_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without leases."""
    if sys.platform != "linux":
        return

    def refuse(descriptor: int, command: int, argument: int = 0) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(fcntl, "fcntl", refuse)


def test_a_file_that_nobody_writes_is_read(file: Path) -> None:
    """With the stamp of what was read; another reader is no matter."""
    with file.open("rb"):
        data, stamp = read_settled(str(file))
    assert (data, stamp) == (file.read_bytes(), stamp_of(file.stat()))


@linux
@pytest.mark.parametrize("mode", ["ab", "r+b"])
def test_a_file_that_is_open_for_writing_is_not_settled(file: Path, mode: str) -> None:
    """Whoever writes it, this process or another, and even before the first byte."""
    with file.open(mode), pytest.raises(Unsettled, match=r"plugin\.py is open for writing") as caught:
        read_settled(str(file))
    assert (caught.value.path, caught.value.reason) == (str(file), "is open for writing")
    assert read_settled(str(file))[0] == file.read_bytes()


@linux
def test_no_lease_and_no_descriptor_outlasts_the_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when the read fails: a writer that would not wait gets in."""
    before = os.listdir("/proc/self/fd")

    def get_in() -> None:
        os.close(os.open(file, os.O_WRONLY | os.O_NONBLOCK))  # would raise BlockingIOError where a lease is held

    def fail(descriptor: int, size: int) -> bytes:
        with pytest.raises(BlockingIOError):
            get_in()
        raise OSError(errno.EIO, "Input/output error")

    read_settled(str(file))
    get_in()
    with monkeypatch.context() as patched:
        patched.setattr(os, "read", fail)
        with pytest.raises(OSError, match="Input/output"):
            read_settled(str(file))
    get_in()
    assert len(os.listdir("/proc/self/fd")) == len(before)


@linux
def test_a_writer_waits_until_the_file_was_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it truncates and writes is never read half: it gets the file when the whole of it was read."""
    old, real = file.read_bytes(), os.read
    began = threading.Event()

    def truncate_and_write() -> None:
        began.set()
        file.write_bytes(b"VALUE = 2\n")

    writer = threading.Thread(target=truncate_and_write)

    def read(descriptor: int, size: int) -> bytes:
        if not began.is_set():
            writer.start()
            began.wait(10)
            writer.join(0.05)
            assert writer.is_alive()
        return real(descriptor, min(size, 3_000))

    with monkeypatch.context() as patched:
        patched.setattr(os, "read", read)
        assert read_settled(str(file))[0] == old
    writer.join(10)
    assert read_settled(str(file))[0] == b"VALUE = 2\n"


@linux
def test_writers_break_leases_and_never_the_process(file: Path, tmp_path: Path) -> None:
    """A process with the default reaction to each signal reads in a loop while another truncates and writes."""
    reader = """
import sys
from gridbus.bundles import Unsettled
from gridbus.bundles.settling import read_settled
print("ready", flush=True)
seen, path, stop = {"read": 0, "unsettled": 0}, sys.argv[1], sys.argv[2]
import os
while not os.path.exists(stop):
    try:
        data = read_settled(path)[0]
    except Unsettled:
        seen["unsettled"] += 1
        continue
    lines = data.splitlines()
    assert not lines or (len(lines) == 1_000 and len(set(lines)) == 1), (len(lines), set(lines))
    seen["read"] += bool(lines)
print(seen["read"] > 0, flush=True)
"""
    stop = tmp_path / "stop"
    with subprocess.Popen(
        [sys.executable, "-c", reader, str(file), str(stop)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "ready\n"
        for number in range(500):
            with file.open("wb", buffering=0) as writing:
                half = b"VALUE = %d\n" % number * 500
                writing.write(half)
                writing.write(half)
        stop.touch()
        assert child.stdout.read() == "True\n", child.stderr.read()
    assert child.returncode == 0


@linux
def test_a_lease_is_broken_by_a_signal_that_is_ignored_by_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is SIGURG, so SIGIO never comes."""
    came: list[int] = []
    monkeypatch.setattr(os, "read", lambda descriptor, size: _break_and_read(file, descriptor))
    old = [
        (number, signal.signal(number, lambda got, frame: came.append(got))) for number in (signal.SIGIO, signal.SIGURG)
    ]
    try:
        read_settled(str(file))
    finally:
        for number, handler in old:
            signal.signal(number, handler)
    assert came == [signal.SIGURG]


def _break_and_read(file: Path, descriptor: int) -> bytes:
    with pytest.raises(BlockingIOError):
        os.open(file, os.O_WRONLY | os.O_NONBLOCK)
    return os.pread(descriptor, 100_000, 0)


def test_a_file_that_vanished_is_not_settled(tmp_path: Path) -> None:
    """An editor moved it away and is about to put another in its place."""
    with pytest.raises(Unsettled, match="vanished"):
        read_settled(str(tmp_path / "plugin.py"))


def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    """Waiting would not help."""
    with pytest.raises(OSError, match=r"directory|denied"):
        read_settled(str(tmp_path))


@pytest.mark.usefixtures("no_leases")
def test_without_leases_an_old_file_is_read(file: Path) -> None:
    """It did not change in between."""
    assert read_settled(str(file)) == (file.read_bytes(), stamp_of(file.stat()))


@pytest.mark.usefixtures("no_leases")
def test_without_leases_a_file_is_left_alone_at_first(file: Path, later: Callable[[float], None]) -> None:
    """Nobody can tell whether its writer has done."""
    file.write_bytes(b"VALUE = ")
    with pytest.raises(Unsettled, match="less than 50 ms ago"):
        read_settled(str(file))
    later(0.06)
    assert read_settled(str(file))[0] == b"VALUE = "


@pytest.mark.usefixtures("no_leases")
@pytest.mark.parametrize("change", ["append", "replace", "remove"])
def test_without_leases_a_change_during_the_read_is_seen(
    file: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Size, times and the file itself are compared."""
    real = os.read

    def read(descriptor: int, size: int) -> bytes:
        data = real(descriptor, size)
        if change == "append":
            with file.open("ab") as more:
                more.write(b"x")
        elif change == "replace":
            other = file.with_name("other.py")
            other.write_bytes(data)
            os.utime(other, (1_000_000_000, 1_000_000_000))
            other.replace(file)
        else:
            file.unlink()
        return data

    monkeypatch.setattr(os, "read", read)
    with pytest.raises(Unsettled, match=r"changed while|vanished while"):
        read_settled(str(file))

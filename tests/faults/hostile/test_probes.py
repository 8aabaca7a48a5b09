"""What a hostile plugin tries: each attack works with the sandbox off, and does not with it on."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("whole_sandbox"),
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is for Linux"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_ROOMY = {
    "memory_bytes": 4 * 2**30,
    "file_bytes": 2**40,
    "open_files": 500,
    "threads": 500,
    "cpu_seconds_per_event": 60.0,
    "handler_timeout": 30.0,
}


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of something that listens for connections and datagrams."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        port = server.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        yield port


@pytest.fixture
def unix_listener(tmp_path: Path) -> Iterator[str]:
    """The path of a socket that listens."""
    tmp_path.chmod(0o755)
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        os.chmod(path, 0o777)
        server.listen()
        yield path


async def tried(open_arena: Any, name: str, *, confined: bool, grants: tuple[str, ...] = (), **arguments: Any) -> Any:
    """Return what an attack comes to."""
    limits = None if confined else _ROOMY
    async with open_arena(confined=confined, grants=grants, limits=limits) as arena:
        if arguments.get("pid") == "parent":
            arguments["pid"] = parent_of(await arena.pid())
        return await arena.attack(name, **arguments)


def empty(folder: Path) -> None:
    """Remove what is in a folder."""
    for left in folder.iterdir():
        left.unlink()


def parent_of(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fork", {}),
        ("read_file", {"path": "/etc/passwd"}),
        ("parent_memory", {}),
        ("kill", {"pid": "parent"}),
        ("limits_of", {"pid": "parent"}),
        ("netlink", {}),
        ("shell", {}),
        ("exec_memory", {}),
        ("writable_code", {}),
    ],
)
async def test_what_is_refused(open_arena: Any, name: str, arguments: dict[str, Any]) -> None:
    """The kernel says no, the plugin lives on, and nobody else is harmed."""
    off = await tried(open_arena, name, confined=False, **arguments)
    assert "got" in off, off
    async with open_arena() as arena:
        if arguments.get("pid") == "parent":
            arguments = {"pid": parent_of(await arena.pid())}
        on = await arena.attack(name, **arguments)
        assert on.get("errno") in (errno.EPERM, errno.EACCES, errno.ENOENT), on
        again = await arena.attack("busy", seconds=0.01)
        assert again == {"got": "burnt"}
        assert not arena.recorder.of("plugin:crashed")


@pytest.mark.parametrize("name", ["tcp", "fast_open", "udp"])
async def test_the_network_is_closed(open_arena: Any, name: str, listener: int) -> None:
    """No socket can be made, whatever the way around ``connect``."""
    assert "got" in await tried(open_arena, name, confined=False, port=listener)
    assert (await tried(open_arena, name, confined=True, port=listener)).get("errno") == errno.EPERM


async def test_sockets_of_the_file_system_are_closed(open_arena: Any, unix_listener: str) -> None:
    """A service on this machine is out of reach as well."""
    assert "got" in await tried(open_arena, "unix_path", confined=False, path=unix_listener)
    assert (await tried(open_arena, "unix_path", confined=True, path=unix_listener)).get("errno") == errno.EPERM


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("write_file", {"path": "outside"}),
        ("change_mode", {"path": "there"}),
        ("read_by_link", {"path": "/etc/passwd"}),
    ],
)
async def test_files_outside_stay_as_they_are(
    open_arena: Any, folder: Path, name: str, arguments: dict[str, Any]
) -> None:
    """Beyond the folder that it may write to, a plugin reads and changes nothing, by a link neither."""
    outside = folder.parent / "outside"
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    there = outside / "there"
    there.write_text("as it was")
    grants = (f"fs.write:{folder}",)
    if name == "read_by_link":
        arguments = {"folder": str(folder), **arguments}
    else:
        arguments = {"path": str(outside / arguments["path"])}
    assert "got" in await tried(open_arena, name, confined=False, grants=grants, **arguments)
    empty(folder)
    on = await tried(open_arena, name, confined=True, grants=grants, **arguments)
    assert on.get("errno") in (errno.EPERM, errno.EACCES), on


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("ptrace", {"pid": "parent"}), ("process_vm", {"pid": "parent"}), ("x32", {}), ("int80", {})],
)
async def test_what_ends_the_process(open_arena: Any, folder: Path, name: str, arguments: dict[str, Any]) -> None:
    """What no honest plugin does ends its process, and it is not started again."""
    grants: tuple[str, ...] = ()
    if name == "int80":
        grants, arguments = (f"fs.write:{folder}",), {"folder": str(folder)}
    off = await tried(open_arena, name, confined=False, grants=grants, **arguments)
    if "got" not in off and off.get("errno") == errno.EPERM:
        pytest.skip(f"the kernel itself refuses {name} here")
    assert "got" in off, off
    async with open_arena(grants=grants) as arena:
        if arguments.get("pid") == "parent":
            arguments = {"pid": parent_of(await arena.pid())}
        assert (await arena.attack(name, **arguments))["ended"] == "ServerGone"
        await arena.report("violation")
        await arena.quarantine("violation")


@pytest.mark.parametrize(
    ("name", "arguments", "stopped"),
    [
        ("private_memory", {"megabytes": 1024}, "MemoryError"),
        ("shared_memory", {"megabytes": 1024}, "OSError"),
        ("threads", {"count": 20}, "RuntimeError"),
    ],
)
async def test_memory_and_threads_are_refused(
    open_arena: Any, name: str, arguments: dict[str, Any], stopped: str
) -> None:
    """What would pass a limit is refused in the process, which lives on."""
    off = await tried(open_arena, name, confined=False, grants=("threads",), **arguments)
    assert "got" in off, off
    async with open_arena() as arena:
        on = await arena.attack(name, **arguments)
        assert on.get("stopped") == stopped, on
        assert await arena.attack("busy", seconds=0.01) == {"got": "burnt"}


@pytest.mark.parametrize(
    ("name", "arguments", "number"),
    [("big_file", {"megabytes": 1024}, errno.EFBIG), ("open_files", {"count": 200}, errno.EMFILE)],
)
async def test_files_are_refused(
    open_arena: Any, folder: Path, name: str, arguments: dict[str, Any], number: int
) -> None:
    """One file is as large as may be, and no more are open than may be."""
    grants = (f"fs.write:{folder}",)
    assert "got" in await tried(open_arena, name, confined=False, grants=grants, folder=str(folder), **arguments)
    on = await tried(open_arena, name, confined=True, grants=grants, folder=str(folder), **arguments)
    assert on.get("errno") == number, on


@pytest.mark.parametrize(
    ("name", "arguments", "reason", "limit", "limits"),
    [
        ("several_files", {"count": 20, "megabytes": 10}, "files", "file_bytes", {}),
        (
            "many_files",
            {"count": 10_000},
            "files",
            "file_bytes",
            {"file_bytes": 20 * 2**20, "cpu_seconds_per_event": 20},
        ),
        ("threads", {"count": 100}, "threads", "threads", {}),
        ("busy", {"seconds": 20}, "cpu", "cpu_seconds_per_event", {}),
    ],
)
async def test_what_is_killed_and_started_again(
    open_arena: Any, folder: Path, name: str, arguments: dict[str, Any], reason: str, limit: str, limits: dict[str, Any]
) -> None:
    """A limit that only shows from outside ends the process; the next one works."""
    grants = (f"fs.write:{folder}", "threads")
    if reason == "files":
        arguments = {"folder": str(folder), **arguments}
    async with open_arena(grants=grants, limits={"handler_timeout": 30.0, **limits}) as arena:
        assert (await arena.attack(name, **arguments))["ended"] == "ServerGone"
        await arena.report(reason)
        await arena.until(lambda: limit in arena.limits())
        await arena.until(lambda: arena.recorder.of("plugin:restarted"))
        assert await arena.attack("busy", seconds=0.01) == {"got": "burnt"}


async def test_busy_work_ends_by_itself_without_the_limit(open_arena: Any) -> None:
    """The attack that the limit ends would have gone through."""
    assert await tried(open_arena, "busy", confined=False, seconds=1.0) == {"got": "burnt"}


@pytest.mark.parametrize(("name", "arguments"), [("blocked", {"seconds": 60}), ("stop_itself", {})])
async def test_a_process_that_does_not_move_is_ended(open_arena: Any, name: str, arguments: dict[str, Any]) -> None:
    """A blocked loop and a process that stopped itself are found out and started again."""
    async with open_arena(hang_after=0.8, limits={"handler_timeout": 0.5}) as arena:
        await arena.attack(name, timeout=0.3, **arguments)
        await arena.report("hang")
        await arena.until(lambda: arena.recorder.of("plugin:restarted"))


async def test_a_flood_of_events_is_slowed_down(open_arena: Any) -> None:
    """Publishing faster than may be waits, and is told once."""
    from gridbus import Channel

    async with open_arena() as arena:
        flood: Channel[int, int] = Channel("attacker:flood", int, int)
        with anyio.move_on_after(1.5):
            await arena.bus.ask(flood, 100_000, timeout=None)
        assert "max_events_per_second" in arena.limits()
        assert len(arena.recorder.of("attacker:noise")) < 2_500


@pytest.mark.parametrize(
    "data",
    [
        b"no frame at all, and long enough for its length",
        struct.pack("<I", 0xFFFFFFFF) + b"x" * 100,
        struct.pack("<I", 60_003) + b"\x93\x01\x01" + b"\x91" * 60_000,
        struct.pack("<I", 4) + b"\x93\x63\x01\xc0",
    ],
    ids=["malformed", "4 GiB", "deep", "unknown kind"],
)
async def test_broken_frames_end_the_trust(open_arena: Any, data: bytes) -> None:
    """Whoever breaks the protocol is not listened to again."""
    async with open_arena() as arena:
        await arena.attack("send_raw", data=data, timeout=2)
        await arena.report("protocol")
        await arena.quarantine("protocol")


async def test_a_flood_of_frames_holds_up_nobody(open_arena: Any) -> None:
    """Frames that mean nothing are read at a bounded rate; the loop keeps turning."""
    frame = struct.pack("<I", 4) + b"\x93\x07\x00\x00"
    async with open_arena() as arena:
        with anyio.move_on_after(2):
            await arena.attack("send_raw", data=frame * 1000, count=200, timeout=2)


async def test_descriptors_that_nobody_asked_for_go_nowhere(open_arena: Any) -> None:
    """Open files that a plugin sends along are closed by the kernel."""
    async with open_arena() as arena:
        before = len(os.listdir("/proc/self/fd"))
        await arena.attack("pass_descriptors", count=100, timeout=2)
        assert len(os.listdir("/proc/self/fd")) < before + 50  # of the five thousand that were sent


async def test_a_plugin_that_does_not_want_to_go_goes(open_arena: Any) -> None:
    """Ignoring SIGTERM and looping in ``destroy`` helps nothing."""
    async with open_arena() as arena:
        await arena.attack("ignore_sigterm")
        pid = await arena.pid()
        with anyio.fail_after(5):
            await arena.manager.unregister_and_destroy("attacker")
        await arena.until(lambda: not Path(f"/proc/{pid}").exists(), 2)

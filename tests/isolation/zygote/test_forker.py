"""The zygote's loop against requests that are wrong, and a machine that has nothing left."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from gridbus.errors import ZygoteError
from gridbus.isolation.zygote import Zygote
from gridbus.isolation.zygote.datagrams import Fork, Kill
from gridbus.isolation.zygote.life import Life

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


def control_of(zygote: Zygote) -> socket.socket:
    """The socket that only the client uses otherwise."""
    life = zygote._backend
    assert isinstance(life, Life)
    return life._control


@pytest.mark.parametrize(
    "datagram",
    [b"\x00", b"\xc1" * 50, b"x" * 4096, msgspec.msgpack.encode([9, 1]), msgspec.msgpack.encode(Fork(2**63))[:-1]],
)
async def test_a_malformed_request_is_ignored_and_told(
    forking: Zygote, hear: Callable[..., Any], caplog: pytest.LogCaptureFixture, datagram: bytes
) -> None:
    """The zygote lives on, and keeps none of the descriptors that came along."""
    pid = forking.pid
    before = len(os.listdir(f"/proc/{pid}/fd"))
    with caplog.at_level(logging.WARNING, "gridbus.isolation.zygote"):
        socket.send_fds(control_of(forking), [datagram], [0, 0, 0])
        child = await forking.spawn()
        await hear(child)
        await forking.aclose()
    assert len([line for line in caplog.messages if "malformed request" in line]) == 1
    assert before > 0
    assert child.exit is not None


async def test_malformed_requests_leak_no_descriptor(forking: Zygote, hear: Callable[..., Any]) -> None:
    """What came along with them is closed."""
    before = len(os.listdir(f"/proc/{forking.pid}/fd"))
    for _ in range(20):
        socket.send_fds(control_of(forking), [b"\x00"], [0, 0, 0, 0])
        control_of(forking).send(msgspec.msgpack.encode(Kill(99, 9)))
    child = await forking.spawn()
    await hear(child)
    assert len(os.listdir(f"/proc/{forking.pid}/fd")) == before


async def test_a_refused_fork_is_an_error_and_no_end(
    make: Callable[..., Zygote], hear: Callable[..., Any], descriptors: Callable[[], dict[int, str]]
) -> None:
    """No more processes, or no memory for one: the next request may have it."""
    zygote = make("zygote_entries:first_forks_fail")
    await zygote.start()
    pid, before = zygote.pid, descriptors()
    for reason in ("no more processes", "out of memory"):
        with pytest.raises(ZygoteError, match=reason):
            await zygote.spawn()
    assert descriptors() == before
    child = await zygote.spawn()
    assert (await hear(child)).split()[1] == str(pid)


async def test_a_zygote_without_descriptors_refuses(
    make: Callable[..., Zygote], descriptors: Callable[[], dict[int, str]]
) -> None:
    """Nothing leaks where not all of a request could be taken."""
    zygote = make("zygote_entries:few_files")
    await zygote.start()
    before, its_before = descriptors(), len(os.listdir(f"/proc/{zygote.pid}/fd"))
    for _ in range(3):
        with pytest.raises(ZygoteError, match="too many open files"):
            await zygote.spawn()
    assert descriptors() == before
    assert len(os.listdir(f"/proc/{zygote.pid}/fd")) == its_before


async def test_a_number_is_used_once(forking: Zygote) -> None:
    """A request that is sent twice makes one child."""
    child = await forking.spawn()
    sent = control_of(forking)
    socket.send_fds(sent, [msgspec.msgpack.encode(Fork(1))], [sent.fileno()] * 4)
    with anyio.fail_after(5):
        other = await forking.spawn()
    assert other.pid != child.pid


async def test_an_application_without_descriptors_loses_no_child(
    make: Callable[..., Zygote], hear: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child whose pidfd did not arrive is killed by the zygote, and the caller hears why."""
    forking = make(entry="zygote_entries:stubborn")
    await forking.start()
    life = forking._backend
    assert isinstance(life, Life)
    take = life._take

    def without(report: Any, pidfd: int | None) -> None:
        if pidfd is not None:
            os.close(pidfd)
        take(report, None)

    monkeypatch.setattr(life, "_take", without)
    with pytest.raises(ZygoteError, match="too many open files"):
        await forking.spawn()
    monkeypatch.undo()
    child = await forking.spawn()
    await hear(child)
    with anyio.fail_after(5):
        while children_of(forking.pid) != [str(child.pid)]:
            await anyio.lowlevel.checkpoint()


def children_of(pid: int | None) -> list[str]:
    """List the children of a process, zombies too."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

"""Children, forked or started: what they are given, how they end, and what is told of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from gridbus.isolation.zygote import Child, Exit, Zygote

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("return", 0),
        ("exit", 0),
        ("exit 3", 3),
        ("exit sorry", 1),
        ("exit 256", 0),
        ("raise ValueError", 70),
        ("raise MemoryError", 71),
    ],
)
async def test_what_the_entry_does_decides_the_exit_code(
    forking: Zygote, command: Callable[..., Any], line: str, code: int
) -> None:
    """A return, a ``sys.exit`` and an error can be told apart."""
    child = await forking.spawn()
    await command(child, line)
    with anyio.fail_after(10):
        how = await child.wait()
    assert (how.code, how.signal, how.note) == (code, None, "")


async def test_an_exit_is_told_with_what_was_used(zygote: Zygote, command: Callable[..., Any]) -> None:
    """CPU time and peak of memory come with the exit."""
    child = await zygote.spawn()
    await command(child, "burn")
    with anyio.fail_after(10):
        how = await child.wait()
    assert how.code == 0
    assert how.rusage is not None
    assert 0.1 <= how.rusage.user + how.rusage.system < 5
    assert 40_000_000 < how.rusage.max_rss_bytes < 400_000_000


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGXCPU])
async def test_a_signal_ends_a_child_and_is_told(forking: Zygote, hear: Callable[..., Any], signum: int) -> None:
    """No handler of the zygote is in the way of a child's signals."""
    child = await forking.spawn()
    await hear(child)
    child.kill(signum)
    with anyio.fail_after(10):
        how = await child.wait()
    assert (how.code, how.signal) == (None, signum)


async def test_a_stopped_child_can_be_killed(zygote: Zygote, hear: Callable[..., Any]) -> None:
    """SIGSTOP is no exit, and no protection."""
    child = await zygote.spawn()
    await hear(child)
    child.kill(signal.SIGSTOP)
    child.kill()
    with anyio.fail_after(10):
        assert (await child.wait()).signal == signal.SIGKILL


async def test_what_a_child_writes_comes_through_its_pipes(
    zygote: Zygote, command: Callable[..., Any], hear: Callable[..., Any], read_all: Callable[..., Any]
) -> None:
    """Lines come as they are written, the rest at the end, and no character is an error."""
    child = await zygote.spawn()
    await command(child, "talk")
    assert await hear(child) == "written\n"
    assert os.read(child.stdout, 100) == b"a line\n"
    child.socket.send(b"!")
    assert await read_all(child.stdout) == "rest \\udc80"
    assert await read_all(child.stderr) == "trouble\n"
    assert (await child.wait()).code == 0


async def test_the_traceback_of_an_entry_comes_through_stderr(
    zygote: Zygote, command: Callable[..., Any], read_all: Callable[..., Any]
) -> None:
    """What the entry raised can be read, and the zygote's own frames end nothing else."""
    child = await zygote.spawn()
    await command(child, "raise ValueError")
    text = await read_all(child.stderr)
    assert "ValueError: on purpose" in text
    assert "do_raise" in text
    assert (await child.wait()).code == 70


async def test_a_descriptor_reaches_the_child(
    zygote: Zygote, command: Callable[..., Any], read_all: Callable[..., Any]
) -> None:
    """What the application opened can be given to a child that may not open it."""
    child = await zygote.spawn()
    await command(child, "receive")
    reader, writer = os.pipe()
    try:
        socket.send_fds(child.descriptors, [b"a pipe"], [writer])
        os.close(writer)
        os.set_blocking(reader, False)
        assert await read_all(reader) == "got a pipe"
    finally:
        os.close(reader)


async def test_a_child_has_only_what_is_its_own(
    zygote: Zygote, command: Callable[..., Any], hear: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor, variable, handler or thread of the application, the zygote or another child is in it."""
    monkeypatch.setenv("SECRET", "of the application")
    monkeypatch.setenv("TZ", "UTC")
    inherited, writer = os.pipe()
    os.set_inheritable(inherited, True)
    try:
        other = await zygote.spawn()
        await hear(other)
        child = await zygote.spawn()
        await command(child, "look")
        fds, leads_session, stdin, environment, blocked, caught, threads = (await hear(child)).split("\n")
    finally:
        os.close(inherited)
        os.close(writer)
    assert fds == "-"
    assert leads_session == "True"
    assert stdin == "/dev/null"
    names = {name for name in environment.split() if name != "LANG" and not name.startswith("LC_")}
    assert names == {"TZ", "MALLOC_ARENA_MAX"}
    assert int(blocked, 16) == 0
    assert int(caught, 16) == 0
    assert threads == "1"


async def test_many_wait_and_some_stop_to(zygote: Zygote, hear: Callable[..., Any]) -> None:
    """Waiting belongs to nobody: one who is cancelled takes nothing from the others."""
    child = await zygote.spawn()
    await hear(child)
    exits: list[Exit] = []

    async def wait() -> None:
        exits.append(await child.wait())

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            group.start_soon(wait)
            with anyio.move_on_after(0) as scope:
                await child.wait()
            assert scope.cancelled_caught
            child.kill()
    assert [how.signal for how in exits] == [signal.SIGKILL] * 2
    assert (await child.wait()) is exits[0]


async def test_a_child_that_ended_cannot_be_killed_again(zygote: Zygote, hear: Callable[..., Any]) -> None:
    """Its number may be another's by then; neither is a closed pidfd used again."""
    child = await zygote.spawn()
    await hear(child)
    child.kill()
    with anyio.fail_after(10):
        await child.wait()
    child.kill()
    child.close()
    child.close()
    child.kill()
    assert (child.pidfd, child.stdout, child.stderr) == (None, -1, -1)
    assert child.socket.fileno() == child.descriptors.fileno() == -1


async def test_a_closed_child_is_still_killed_and_told(zygote: Zygote, hear: Callable[..., Any]) -> None:
    """Closing its sockets is not losing it."""
    child = await zygote.spawn()
    await hear(child)
    child.kill(signal.SIGSTOP)  # else it would end at the end of its socket
    child.close()
    assert child.pidfd is not None
    child.kill()
    with anyio.fail_after(10):
        assert (await child.wait()).signal == signal.SIGKILL
    assert child.pidfd is None


async def test_a_child_sees_the_end_of_its_socket(zygote: Zygote, hear: Callable[..., Any]) -> None:
    """Nobody else holds the application's end open: not the zygote, and not a sibling."""
    child = await zygote.spawn()
    sibling = await zygote.spawn()
    await hear(child)
    await hear(sibling)
    child.socket.shutdown(socket.SHUT_RDWR)
    with anyio.fail_after(10):
        assert (await child.wait()).code == 0
    assert sibling.exit is None


async def test_children_come_at_the_same_time(forking: Zygote, hear: Callable[..., Any]) -> None:
    """Each caller gets the child that answers on its socket."""
    with anyio.fail_after(20):
        children: list[Child] = await asyncio.gather(*(forking.spawn() for _ in range(40)))
        for child in children:
            assert (await hear(child)).split() == [str(child.pid), str(forking.pid)]
    assert len({child.pid for child in children}) == 40


def test_an_exit_reads_well() -> None:
    """What is shown to an operator names code or signal, and what else is known."""
    assert str(Exit(code=3)) == "exit code 3"
    assert str(Exit(signal=signal.SIGXCPU, note="the zygote died")) == "killed by SIGXCPU (the zygote died)"
    assert str(Exit(signal=40)) == "killed by signal 40"
    assert str(Exit(note="the zygote died")) == "ended (the zygote died)"

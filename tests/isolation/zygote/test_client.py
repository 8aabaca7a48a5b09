"""The zygote from the application: its start, its death, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from gridbus.errors import ZygoteError
from gridbus.isolation.zygote import Zygote

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")

APPLICATION = """
import asyncio, sys
from gridbus.isolation.zygote import Zygote

async def main():
    zygote = Zygote(entry="zygote_entries:stubborn", preload=[], paths=[sys.argv[1]], use_fork=sys.argv[2] == "fork")
    children = [await zygote.spawn() for _ in range(3)]
    for child in children:
        await asyncio.get_running_loop().sock_recv(child.socket, 100)
    sys.stdout.write(" ".join(str(pid) for pid in (zygote.pid, *(c.pid for c in children)) if pid) + "\\n")
    sys.stdout.flush()
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_start_may_be_called_twice(forking: Zygote) -> None:
    """There is one zygote, whoever asks for it."""
    pid = forking.pid
    await asyncio.gather(forking.start(), forking.start(), forking.start())
    assert forking.pid == pid is not None


@pytest.mark.parametrize("use_fork", [True, False])
@pytest.mark.parametrize(
    ("preload", "entry", "told"),
    [
        ("no_such_module", "zygote_entries:commanded", "cannot preload 'no_such_module'"),
        ("zygote_entries:no_such", "zygote_entries:commanded", "has no attribute 'no_such'"),
    ],
)
async def test_what_cannot_be_imported_is_told(
    make: Callable[..., Zygote], use_fork: bool, preload: str, entry: str, told: str
) -> None:
    """The error holds the zygote's own traceback."""
    zygote = make(preload, entry=entry, use_fork=use_fork)
    with pytest.raises(ZygoteError, match=r"exit code 1") as caught:
        await zygote.start()
    assert told in str(caught.value)
    assert "Traceback" in caught.value.details["output"]


@pytest.mark.parametrize("use_fork", [True, False])
async def test_an_entry_that_cannot_be_imported_is_told(make: Callable[..., Zygote], use_fork: bool) -> None:
    """It is found at the start, not in the first child."""
    zygote = make(entry="no_such_module:main", use_fork=use_fork)
    with pytest.raises(ZygoteError, match="no_such_module"):
        await zygote.spawn()


async def test_a_zygote_with_threads_is_refused(make: Callable[..., Zygote]) -> None:
    """A lock that a thread holds at a fork would never be released in the child."""
    zygote = make("zygote_entries:start_thread")
    with pytest.raises(ZygoteError, match="1 threads run after preloading"):
        await zygote.start()


@pytest.mark.parametrize("use_fork", [True, False])
async def test_a_start_that_takes_too_long_is_given_up(
    make: Callable[..., Zygote], use_fork: bool, descriptors: Callable[[], dict[int, str]]
) -> None:
    """It is killed, its last words are in the error, and nothing of it stays."""
    before = descriptors()
    zygote = make("zygote_entries:block", use_fork=use_fork, start_timeout=0.5)
    with pytest.raises(ZygoteError, match=r"0\.5 s"):
        await zygote.start()
    assert descriptors() == before


async def test_closing_ends_a_start(make: Callable[..., Zygote]) -> None:
    """An application that ends does not wait until everything is imported."""
    zygote = make("zygote_entries:block")

    async def start() -> None:
        with pytest.raises(ZygoteError):
            await zygote.start()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(start)
            await anyio.wait_all_tasks_blocked()
            await zygote.aclose()


@pytest.mark.parametrize("use_fork", [True, False])
async def test_a_cancelled_task_leaves_no_process(
    make: Callable[..., Zygote], descriptors: Callable[[], dict[int, str]], use_fork: bool
) -> None:
    """A cancellation that no scope shields from, in the moment in which the interpreter is started."""
    before, its_before = descriptors(), children_of(os.getpid())
    zygote = make("zygote_entries:block", use_fork=use_fork)
    for turns in range(4):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.002 * turns):
                await zygote.start()
        assert descriptors() == before
        assert children_of(os.getpid()) == its_before


async def test_orphans_that_become_ours_are_reaped(forking: Zygote, hear: Callable[..., Any]) -> None:
    """As pid 1 of a container the application inherits the children of a dead zygote."""
    prctl, set_child_subreaper = ctypes.CDLL(None).prctl, 36
    child = await forking.spawn()
    await hear(child)
    assert forking.pid is not None
    prctl(set_child_subreaper, 1, 0, 0, 0)
    try:
        os.kill(forking.pid, signal.SIGKILL)
        with anyio.fail_after(5):
            how = await child.wait()
    finally:
        prctl(set_child_subreaper, 0, 0, 0, 0)
    assert (how.signal, how.note) == (signal.SIGKILL, "the zygote died")
    assert is_reaped(child.pid)


async def test_a_zygote_that_hangs_at_its_start_ends_without_an_application(
    make: Callable[..., Zygote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not look around while it imports, so it has a limit of its own."""
    monkeypatch.setattr("gridbus.isolation.zygote.client.START_GRACE", -29)
    zygote = make("zygote_entries:block")
    with anyio.fail_after(5), pytest.raises(ZygoteError, match="killed by SIGALRM"):
        await zygote.start()


async def test_a_cancelled_start_leaves_nothing(
    make: Callable[..., Zygote], descriptors: Callable[[], dict[int, str]]
) -> None:
    """Whoever starts it next begins anew."""
    before = descriptors()
    zygote = make("zygote_entries:block")
    with anyio.move_on_after(0.2):
        await zygote.start()
    assert descriptors() == before
    assert zygote.pid is None


async def test_what_the_zygote_writes_is_logged(make: Callable[..., Zygote], caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of it is lost silently, and no flood of it fills the log."""
    zygote = make("zygote_entries:speak")
    with caplog.at_level(logging.WARNING, "gridbus.isolation.zygote"):
        await zygote.start()
        await zygote.aclose()
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "the zygote says: warming"
    assert len(lines) == 201
    assert "more than 200 lines" in lines[-1]


async def test_a_dead_zygote_takes_its_children_along_and_is_replaced(
    forking: Zygote, hear: Callable[..., Any]
) -> None:
    """Nobody waits for ever: exits are told, the application hears of it, and the next child has a new zygote."""
    deaths: list[ZygoteError] = []
    forking.on_death = deaths.append
    children = [await forking.spawn() for _ in range(3)]
    for child in children:
        await hear(child)
    first = forking.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with anyio.fail_after(2):
        exits = [await child.wait() for child in children]
        assert {how.note for how in exits} == {"the zygote died"}
        assert all(is_gone(child.pid) for child in children)
        child = await forking.spawn()
    assert (await hear(child)).split()[1] == str(forking.pid) != str(first)
    assert len(deaths) == 1
    assert "killed by SIGKILL" in str(deaths[0])


async def test_a_spawn_that_waits_fails_when_the_zygote_dies(forking: Zygote) -> None:
    """A request that will have no answer ends at once, queued ones too."""
    assert forking.pid is not None
    os.kill(forking.pid, signal.SIGSTOP)
    results: list[Any] = []

    async def spawn() -> None:
        try:
            results.append(await forking.spawn())
        except ZygoteError as error:
            results.append(error)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(spawn)
            await anyio.wait_all_tasks_blocked()
            os.kill(forking.pid, signal.SIGKILL)
    assert len(results) == 20
    assert all(isinstance(result, ZygoteError) and "died" in str(result) for result in results)


async def test_a_zygote_that_does_not_answer_is_told(make: Callable[..., Zygote]) -> None:
    """A spawn has its time; what comes of it later is killed."""
    zygote = make(entry="zygote_entries:stubborn", spawn_timeout=0.2)
    await zygote.start()
    assert zygote.pid is not None
    os.kill(zygote.pid, signal.SIGSTOP)
    with pytest.raises(ZygoteError, match=r"within 0\.2 s"):
        await zygote.spawn()
    os.kill(zygote.pid, signal.SIGCONT)
    child = await zygote.spawn()
    with anyio.fail_after(5):
        while children_of(zygote.pid) != [str(child.pid)]:
            await anyio.lowlevel.checkpoint()


async def test_a_failing_on_death_is_logged(forking: Zygote, caplog: pytest.LogCaptureFixture) -> None:
    """It does not keep the exits from being told."""

    def fail(error: ZygoteError) -> None:
        raise RuntimeError("no thanks")

    forking.on_death = fail
    child = await forking.spawn()
    assert forking.pid is not None
    os.kill(forking.pid, signal.SIGKILL)
    with anyio.fail_after(5):
        await child.wait()
    assert "on_death failed" in caplog.text


async def test_a_cancelled_spawn_leaves_no_child(
    make: Callable[..., Zygote], hear: Callable[..., Any], descriptors: Callable[[], dict[int, str]]
) -> None:
    """The child that comes to be all the same is killed and reaped."""
    forking = make(entry="zygote_entries:stubborn")
    await forking.start()
    assert forking.pid is not None
    before = descriptors()
    for _ in range(40):
        async with anyio.create_task_group() as group:
            group.start_soon(forking.spawn)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    child = await forking.spawn()  # answered after all of them
    await hear(child)
    child.kill()
    with anyio.fail_after(5):
        await child.wait()
    child.close()
    with anyio.fail_after(5):
        while children_of(forking.pid):  # killed by now, and about to be reaped
            await anyio.lowlevel.checkpoint()
    assert descriptors() == before


@pytest.mark.slow
async def test_200_children_leave_nothing(
    forking: Zygote, hear: Callable[..., Any], descriptors: Callable[[], dict[int, str]]
) -> None:
    """No descriptor and no zombie, in the application or the zygote."""
    assert forking.pid is not None
    before, its_before = descriptors(), len(os.listdir(f"/proc/{forking.pid}/fd"))
    with anyio.fail_after(20):
        for number in range(200):
            child = await forking.spawn()
            if number % 2:
                await hear(child)
            child.kill()
            if number % 3:
                child.close()
            await child.wait()
            child.close()
    assert descriptors() == before
    assert len(os.listdir(f"/proc/{forking.pid}/fd")) == its_before
    assert children_of(forking.pid) == []


async def test_closing_leaves_nothing(
    make: Callable[..., Zygote], hear: Callable[..., Any], descriptors: Callable[[], dict[int, str]]
) -> None:
    """Children are killed and reaped, stopped ones too, the zygote is reaped, every descriptor is closed."""
    before = descriptors()
    zygote = make()
    children = [await zygote.spawn() for _ in range(5)]
    await hear(children[0])
    children[0].kill(signal.SIGSTOP)
    children[1].close()
    pid = zygote.pid
    with anyio.fail_after(5):
        await zygote.aclose()
    assert [child.exit is not None for child in children] == [True] * 5
    assert descriptors() == before
    assert is_reaped(pid)
    assert all(is_reaped(child.pid) for child in children)
    with pytest.raises(ZygoteError, match="closed"):
        await zygote.spawn()


async def test_a_stopped_zygote_is_killed_at_closing(
    make: Callable[..., Zygote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing has its time."""
    monkeypatch.setattr("gridbus.isolation.zygote.life.END_TIMEOUT", 0.2)
    zygote = make()
    child = await zygote.spawn()
    assert zygote.pid is not None
    os.kill(zygote.pid, signal.SIGSTOP)
    with anyio.fail_after(8):
        await zygote.aclose()
    assert child.exit is not None


@pytest.mark.faults
@pytest.mark.parametrize("way", ["fork", "start"])
async def test_nothing_outlives_an_application_that_is_killed(gone: Callable[..., Any], way: str) -> None:
    """The kernel tells the zygote, and the children of both kinds."""
    with running(way) as (application, pids):
        pidfds = [os.pidfd_open(pid) for pid in pids]
        application.kill()
    assert len(pids) == (4 if way == "fork" else 3)
    await gone(pidfds, 2)


@pytest.mark.faults
async def test_an_application_killed_with_its_zygote_leaves_no_child(gone: Callable[..., Any]) -> None:
    """Children die with the zygote, whoever is left to tell them."""
    with running("fork") as (application, pids):
        pidfds = [os.pidfd_open(pid) for pid in pids]
        os.kill(pids[0], signal.SIGKILL)
        application.kill()
    await gone(pidfds, 2)


@contextlib.contextmanager
def running(way: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """An application with three children, and the numbers of all processes of its zygote."""
    command = [sys.executable, "-c", APPLICATION, str(Path(__file__).parent), way]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) as application:
        assert application.stdout is not None
        try:
            yield application, [int(word) for word in application.stdout.readline().split()]
        finally:
            application.kill()


def is_gone(pid: int | None) -> bool:
    """Whether a process is reaped, or will be by nobody but init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def is_reaped(pid: int | None) -> bool:
    """Whether nothing is left of a process."""
    return not Path(f"/proc/{pid}").exists()


def children_of(pid: int) -> list[str]:
    """List the children of a process, zombies too."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")  # by the thread that started them
    return [number for children in lists for number in children.read_text().split()]

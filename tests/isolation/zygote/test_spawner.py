"""Started children where the platform has no pidfds, and their reaping by others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from gridbus.isolation.zygote import Zygote


@pytest.fixture
def no_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be like macOS."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)


async def test_children_end_and_are_killed_without_pidfds(
    no_pidfds: None, make: Callable[..., Zygote], command: Callable[..., Any], hear: Callable[..., Any]
) -> None:
    """Looking at the process now and then is enough."""
    zygote = make()
    assert not zygote.is_forking
    ending, killed = await zygote.spawn(), await zygote.spawn()
    assert ending.pidfd is None
    await command(ending, "exit 3")
    await hear(killed)
    killed.kill(signal.SIGTERM)
    with anyio.fail_after(10):
        assert (await ending.wait()).code == 3
        assert (await killed.wait()).signal == signal.SIGTERM
    killed.kill()


async def test_an_exit_that_another_took_is_told_as_such(make: Callable[..., Zygote], hear: Callable[..., Any]) -> None:
    """An application that waits for any child takes exits from us; the end itself is seen all the same."""
    zygote = make(use_fork=False)
    child = await zygote.spawn()
    await hear(child)
    child.kill()
    reap(child.pid)
    with anyio.fail_after(10):
        how = await child.wait()
    assert (how.code, how.signal) == (None, None)
    assert "another part of the application" in how.note


async def test_a_cancelled_spawn_leaves_no_child(
    make: Callable[..., Zygote], descriptors: Callable[[], dict[int, str]]
) -> None:
    """The interpreter that was started all the same is killed and reaped."""
    zygote = make(use_fork=False)
    await zygote.start()
    before = descriptors()
    async with anyio.create_task_group() as group:
        group.start_soon(zygote.spawn)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    await zygote.aclose()
    assert descriptors() == before


def reap(pid: int) -> None:
    """Take an exit away."""
    os.waitpid(pid, 0)

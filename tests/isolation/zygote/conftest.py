"""Zygotes that are closed after each test, and what they must not leave behind."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from gridbus.isolation.zygote import Child, Zygote

HERE = str(Path(__file__).parent)


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Zygote]]:
    """Make zygotes whose children run ``zygote_entries:commanded``, and close them."""
    made: list[Zygote] = []

    def build(*preload: str, **options: Any) -> Zygote:
        options = {"entry": "zygote_entries:commanded", "paths": [HERE]} | options
        made.append(Zygote(preload=preload, **options))
        return made[-1]

    yield build
    for zygote in made:
        await zygote.aclose()


@pytest.fixture(params=[pytest.param(True, id="forked"), pytest.param(False, id="started")])
async def zygote(request: pytest.FixtureRequest, make: Callable[..., Zygote]) -> Zygote:
    """Both ways to have children, behind one contract."""
    return make(use_fork=request.param)


@pytest.fixture
async def forking(make: Callable[..., Zygote]) -> Zygote:
    """A real zygote, already warm."""
    zygote = make()
    await zygote.start()
    return zygote


@pytest.fixture
def hear() -> Callable[[Child], Any]:
    """Read from a child's socket."""

    async def read(child: Child, most: int = 4096) -> str:
        with anyio.fail_after(10):
            return (await asyncio.get_running_loop().sock_recv(child.socket, most)).decode()

    return read


@pytest.fixture
def command(hear: Callable[[Child], Any]) -> Callable[..., Any]:
    """Wait until a child runs, and tell it what to do."""

    async def send(child: Child, line: str) -> None:
        await hear(child)
        child.socket.send(f"{line}\n".encode())

    return send


@pytest.fixture
def read_all() -> Callable[[int], Any]:
    """Read a pipe to its end."""

    async def read(descriptor: int) -> str:
        data = b""
        with anyio.fail_after(10):
            while True:
                await anyio.wait_readable(descriptor)
                chunk = os.read(descriptor, 4096)
                if not chunk:
                    return data.decode()
                data += chunk

    return read


@pytest.fixture
def descriptors() -> Callable[[], dict[int, str]]:
    """What this process has open: numbers and what they are."""

    def look() -> dict[int, str]:
        found = {}
        for name in os.listdir("/proc/self/fd"):
            try:
                found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
            except FileNotFoundError:
                continue  # of the listing itself
        return found

    return look


@pytest.fixture
def gone() -> Callable[..., Any]:
    """Wait until processes are gone, by their pidfds, which are closed."""

    async def wait(pidfds: list[int], seconds: float) -> None:
        try:
            with anyio.fail_after(seconds):
                for pidfd in pidfds:
                    await anyio.wait_readable(pidfd)
            assert all(select.select([pidfd], [], [], 0)[0] for pidfd in pidfds)
        finally:
            for pidfd in pidfds:
                os.close(pidfd)

    return wait

"""The meter and real processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from gridbus.bus import Bus
from gridbus.clock import SystemClock
from gridbus.isolation.meter import LinuxReadings, Meter, Metered, MeterLimits, Reached

if sys.platform != "linux":
    pytest.skip("limits are enforced on Linux only", allow_module_level=True)

import resource

READY = "import os, sys, threading, signal, time\nos.write(1, b'!')\nsys.stdin.read(1)\n"


@attrs.define
class Real:
    """A process of Python that says when it is ready, and begins when it is told to."""

    process: subprocess.Popen[bytes]
    pidfd: int
    reached: list[Reached] = attrs.Factory(list)
    work: tuple[int, float] | None = None
    looks: int = 0
    looked_twice: anyio.Event = attrs.Factory(anyio.Event)

    @property
    def pid(self) -> int:
        return self.process.pid

    def in_hand(self) -> tuple[int, float] | None:
        self.looks += 1
        if self.looks == 2:
            self.looked_twice.set()
        return self.work

    def go(self) -> None:
        """Let it begin."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"!")
        self.process.stdin.flush()

    async def ended(self) -> int:
        """Return how it ended, when it has."""
        with anyio.fail_after(10):
            await anyio.wait_readable(self.pidfd)
        return self.process.wait()


@pytest.fixture
def spawn() -> Iterator[Callable[[str], Real]]:
    """Start processes, which end with the test."""
    started: list[Real] = []

    def start(code: str) -> Real:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", READY + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(Real(process, os.pidfd_open(process.pid)))
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 10)[0]
        assert process.stdout.read(1) == b"!"
        return started[-1]

    yield start
    for real in started:
        real.process.kill()
        real.process.communicate()
        os.close(real.pidfd)


@pytest.fixture
async def watch() -> AsyncIterator[Callable[..., Metered]]:
    """Watch processes with a meter of one's own."""
    async with Bus() as bus:
        meter = Meter(SystemClock(), start=bus.start_job)

        def begin(real: Real, **limits: Any) -> Metered:
            return meter.watch(
                real.pid,
                MeterLimits(**{"memory_bytes": 2**28, "file_bytes": 2**20} | limits),
                progress=real,
                reached=real.reached.append,
                signal=partial(signal.pidfd_send_signal, real.pidfd),
            )

        yield begin
        await meter.aclose()


def cpu_of(real: Real) -> float:
    """Processor seconds of a process."""
    return LinuxReadings().cpu_seconds(real.pid)


@pytest.mark.slow
async def test_a_busy_loop_gets_its_share(spawn: Callable[[str], Real], watch: Callable[..., Metered]) -> None:
    """A fifth of a core, over a second and a half."""
    real = spawn("while True: pass")
    metered = watch(real, cpu_percent=20)
    real.go()
    began, before = time.monotonic(), cpu_of(real)
    await anyio.sleep(1.5)
    assert 0.10 <= (cpu_of(real) - before) / (time.monotonic() - began) <= 0.30
    assert [(r.limit, r.action) for r in real.reached] == [("cpu_percent", "throttled")]
    assert metered.usage().threads == 1
    assert metered.usage().rss_bytes > 1_000_000
    assert 5 < metered.usage().cpu_percent < 60


async def test_a_loop_within_one_event_is_ended(spawn: Callable[[str], Real], watch: Callable[..., Metered]) -> None:
    """After so much processor time, by a signal that it cannot catch."""
    real = spawn("while True: pass")
    watch(real, cpu_seconds_per_event=0.2)
    real.work = 1, time.monotonic()
    real.go()
    assert await real.ended() == -signal.SIGKILL
    assert real.reached[0].limit == "cpu_seconds_per_event"
    assert 0.2 < real.reached[0].used < 0.5


async def test_a_process_that_stops_itself_is_ended(
    spawn: Callable[[str], Real], watch: Callable[..., Metered]
) -> None:
    """It would sleep for ever."""
    real = spawn("os.kill(os.getpid(), signal.SIGSTOP)")
    watch(real, hang_after=0.3, cpu_percent=20)
    real.work = 1, time.monotonic()
    real.go()
    assert await real.ended() == -signal.SIGKILL
    assert real.reached[0].limit == "hang"


async def test_threads_and_memory_are_seen(spawn: Callable[[str], Real], watch: Callable[..., Metered]) -> None:
    """Five more threads than allowed end it."""
    real = spawn(
        "for _ in range(8): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nwhile True: pass"
    )
    watch(real, threads=3)
    real.go()
    assert await real.ended() == -signal.SIGKILL
    assert (real.reached[0].limit, real.reached[0].used) == ("threads", 8)


@pytest.mark.slow
async def test_memory_beyond_the_limit_is_seen(spawn: Callable[[str], Real], watch: Callable[..., Metered]) -> None:
    """Where nothing in the process has refused it."""
    real = spawn("x = bytearray(b'x') * 100_000_000\nwhile True: pass")
    watch(real, memory_bytes=10_000_000)
    real.go()
    assert await real.ended() == -signal.SIGKILL
    assert real.reached[0].limit == "memory_bytes"
    assert real.reached[0].used >= 90_000_000


async def test_files_together_are_counted(
    spawn: Callable[[str], Real], watch: Callable[..., Metered], tmp_path: Path
) -> None:
    """None of them is too big."""
    real = spawn(
        f"for n in range(50): open({str(tmp_path)!r} + f'/{{n}}', 'wb').write(bytes(100_000))\nwhile True: pass"
    )
    metered = watch(real, file_bytes=1_000_000, write_paths=(str(tmp_path),))
    with anyio.fail_after(5):
        await metered.ready()
    real.go()
    assert await real.ended() == -signal.SIGKILL
    assert real.reached[0].limit == "file_bytes"
    assert real.reached[0].used > 1_000_000


async def test_the_system_ends_a_loop_where_the_application_cannot(
    spawn: Callable[[str], Real], watch: Callable[..., Metered]
) -> None:
    """The limit that the system keeps is set by the first look."""
    real = spawn("while True: pass")
    watch(real, cpu_seconds_per_event=1.5)
    with anyio.fail_after(5):
        await real.looked_twice.wait()
    assert 5 <= resource.prlimit(real.pid, resource.RLIMIT_CPU)[0] <= 6


async def test_a_process_that_is_gone_is_no_error(
    spawn: Callable[[str], Real], watch: Callable[..., Metered], caplog: pytest.LogCaptureFixture
) -> None:
    """Every reading survives it."""
    real = spawn("")
    metered = watch(real, write_paths=("/nowhere",))
    real.go()
    assert await real.ended() == 0
    readings = LinuxReadings()
    with pytest.raises(ProcessLookupError):
        readings.cpu_seconds(real.pid)
    with pytest.raises(ProcessLookupError):
        readings.cpu_limit(real.pid)
    assert readings.rss_bytes(real.pid) is None
    assert readings.threads(real.pid) is None
    assert metered.usage().rss_bytes > 0
    assert metered.look(time.monotonic()) is None
    metered.poke()
    metered.close()
    assert real.reached == []
    assert caplog.text == ""

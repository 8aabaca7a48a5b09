"""The main job: a file in a grid, operations applied to it as they arrive, and what came of it."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import attrs
from anyio import lowlevel, to_thread

from gridbus.app import App, FileLoaded
from gridbus.cli.applying import Operator
from gridbus.cli.dev.facts import tell_reloads
from gridbus.cli.lines import read_lines
from gridbus.cli.operations import LineError
from gridbus.cli.progress import Bar
from gridbus.cli.report import load_problem_lines
from gridbus.cli.signals import Interruption, interruptible
from gridbus.cli.summary import PluginFigures, Summary
from gridbus.errors import FileReadError, PluginNotFoundError
from gridbus.events import Event
from gridbus.events.system import DATA_PROGRESS, LoadProgress, PluginFailed

_DRAIN_SECONDS = 30.0  # for what plugins still have to do when all operations are applied
_HURRY_SECONDS = 5.0  # the same after a signal
_BREATH = 64  # operations between two looks at what else is to be done
_PAUSE = 0.1  # seconds between two steps of the bar


@attrs.frozen(kw_only=True)
class Job:
    """What to do."""

    app: App
    file: Path
    ops: str | None = None  #: a path, or ``-`` for the standard input
    tell: Callable[[str], object]  #: shows a line about something that went wrong
    loading: Bar
    applying: Bar
    watch: bool = False  #: tell of reloads, and go on until a signal when all is done


@attrs.define
class Course:
    """How a run goes, up to now."""

    began: float = attrs.field(factory=time.monotonic)
    counts: Counter[str] = attrs.field(factory=Counter)
    loaded: FileLoaded | None = None
    applied: int = 0
    errors: tuple[LineError, ...] = ()

    def count(self, event: Event[object]) -> None:
        """Count an event by its topic."""
        self.counts[str(event.topic)] += 1


async def run_job(job: Job, course: Course) -> tuple[Summary, Interruption]:
    """Do the job; return its figures, and the signal that ended it early if one did.

    Raises:
        GridbusError: the file or the operations cannot be read, or the application does not start.
    """
    app = job.app
    work = anyio.CancelScope()
    with interruptible(work) as interruption:
        async with app:
            if job.watch:
                tell_reloads(app.bus, job.tell, partial(_folder_of, app))
            with work:
                await _load(job, course)
                await _apply(job, course)
                if job.watch:
                    job.tell(_watching(app))
                    await anyio.sleep_forever()
            with anyio.move_on_after(_DRAIN_SECONDS if interruption.signal is None else _HURRY_SECONDS):
                await app.bus.drain()
            summary = await summarize(app, course)
        summary = attrs.evolve(summary, plugin_problems=tuple(map(failure_text, app.failures)))
        return attrs.evolve(summary, interrupted=interruption.name), interruption


async def summarize(app: App, course: Course) -> Summary:
    """Return the figures of an application that runs."""
    plugins = {}
    for plugin_id, health in (await app.manager.check_all_health()).items():
        usage, host = await app.manager.resource_usage(plugin_id), app.manager.get_plugin(plugin_id).isolation.value
        plugins[plugin_id] = PluginFigures.of(health, usage, host)
    loaded = course.loaded
    return Summary(
        rows=len(app.grid),
        visible=(await app.grid.view()).visible,
        events=dict(sorted(course.counts.items(), key=lambda item: (-item[1], item[0]))),
        plugins=plugins,
        errors=course.errors,
        seconds=time.monotonic() - course.began,
        operations=course.applied,
        skipped=0 if loaded is None else loaded.fact.skipped,
        load_problems=() if loaded is None else loaded.problems[:100],
        load_problem_count=0 if loaded is None else loaded.problem_count,
    )


def failure_text(fact: PluginFailed) -> str:
    """Return what went wrong with a plugin as a line."""
    return f"plugin {fact.id}: {fact.stage} failed: {fact.message}"


async def _load(job: Job, course: Course) -> None:
    def show(event: Event[LoadProgress]) -> None:
        fact = event.payload
        note = f"{fact.rows:,} rows, {fact.bytes_read / 1e6:,.1f} of {fact.bytes_total / 1e6:,.1f} MB"
        job.loading.advance_to(fact.bytes_read, fact.bytes_total, note)

    shown = job.app.bus.on(DATA_PROGRESS, show, name="progress bar")
    try:
        course.loaded = await job.app.load(job.file)
    finally:
        shown.close()
    loaded = course.loaded
    job.loading.advance_to(1, 1, f"{loaded.fact.rows:,} rows")
    for line in load_problem_lines(loaded.problems, loaded.problem_count, loaded.fact.skipped):
        job.tell(f"{job.file}: {line}")


async def _apply(job: Job, course: Course) -> None:
    if job.ops is None:
        return
    operator = Operator(job.app.grid)
    done, shown_at = 0, 0.0
    try:
        async with _opened(job.ops) as (descriptor, size):
            async for line in read_lines(descriptor):
                error = await operator.take(line)
                if error is not None:
                    job.tell(f"{job.ops}: {error}" if job.ops != "-" else str(error))
                done += len(line.data) + 1
                if not line.number % _BREATH:
                    await lowlevel.checkpoint()
                if time.monotonic() - shown_at >= _PAUSE:
                    shown_at = time.monotonic()
                    job.applying.advance_to(min(done, size) if size else done, size or None, _standing(operator))
    finally:
        course.applied, course.errors = operator.applied, tuple(operator.errors)
    job.applying.advance_to(1, 1, _standing(operator))


def _folder_of(app: App, plugin_id: str) -> Path | None:
    try:
        origin = Path(app.manager.get_plugin(plugin_id).origin)
    except PluginNotFoundError:  # it ended meanwhile
        return None
    return origin if origin.is_absolute() else None  # else it is ``module:Class``


def _watching(app: App) -> str:
    """Say which plugins are reloaded on save."""
    watched = ", ".join(app.reloader.watched)
    what = f"reloaded when their files change: {watched}" if watched else "no plugin here can be reloaded"
    return f"{what}; Ctrl-C ends it"


def _standing(operator: Operator) -> str:
    return f"{operator.applied:,} applied, {len(operator.errors):,} refused"


@asynccontextmanager
async def _opened(ops: str) -> AsyncIterator[tuple[int, int]]:
    """Give the descriptor and, where it is known, the size of what is read."""
    if ops == "-":
        yield sys.stdin.fileno(), 0
        return
    try:
        descriptor = await to_thread.run_sync(os.open, ops, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise FileReadError(f"{ops}: {error.strerror or error}") from None
    try:
        yield descriptor, os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)

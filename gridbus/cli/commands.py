"""What the commands do: they build the application, run it, and show what came of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import anyio

from gridbus.app import App
from gridbus.cli.demo import run_demo
from gridbus.cli.dev.log import failed_reloads_told_once
from gridbus.cli.logs import logging_to_stderr
from gridbus.cli.progress import no_bars, show_bars
from gridbus.cli.prompting import Prompter, can_ask, terminal_line
from gridbus.cli.report import print_summary, problem_lines, summary_json, summary_text
from gridbus.cli.running import Course, Job, run_job
from gridbus.cli.streams import output_console, progress_console
from gridbus.cli.summary import Summary
from gridbus.config import GridConfig, check_config
from gridbus.errors import GridbusError
from gridbus.manifest import Isolation
from gridbus.plugins import grant_declared, untrusted_apart
from gridbus.plugins.discovery import installed

OK, FAILED, MISUSED = 0, 1, 2
DEFAULT_PLUGINS = ("export",)


def import_from_here() -> None:
    """Let ``module:Class`` name modules of the working folder, after those that are installed."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def run_command(
    file: Path,
    plugins: Sequence[str] | None,
    *,
    ops: str | None,
    out: Path,
    id_column: str | None,
    as_json: bool,
    ask: bool,
    isolation: Isolation | None,
    allow_unconfined: bool,
    watch: bool,
) -> int:
    """Run the main job; return the exit status."""
    errors = progress_console()
    import_from_here()

    def tell(text: str) -> None:
        errors.print(text, markup=False, soft_wrap=True)

    names = tuple(dict.fromkeys(DEFAULT_PLUGINS if plugins is None else filter(None, plugins)))
    problem = "--ask reads answers from the standard input: give --ops a file" if ask and ops == "-" else None
    problem = problem or _obstacle(file, ops, names)
    if problem is not None:
        tell(f"gridbus run: {problem}")
        return MISUSED
    course = Course()
    app = App(
        name="run",
        grid=GridConfig(id_column=id_column),
        plugins=[_configured(name, out) for name in names],
        trace=course.count,
        isolation=untrusted_apart if isolation is None else lambda candidate: isolation,
        require_sandbox=not allow_unconfined,
        permissions=Prompter(tell, terminal_line if can_ask() else None) if ask else grant_declared,
        watch=watch,
    )
    try:
        once = failed_reloads_told_once() if watch else nullcontext()
        with no_bars() if ask else show_bars(errors) as bar, logging_to_stderr(), once:
            job = Job(
                app=app,
                file=file,
                ops=ops,
                tell=tell,
                loading=bar("loading"),
                applying=bar("applying"),
                watch=watch,
            )
            summary, interruption = anyio.run(run_job, job, course)
    except GridbusError as error:
        tell(f"gridbus run: {error}")
        return FAILED
    for line in problem_lines(summary):
        tell(line)
    _show(summary, as_json=as_json)
    return interruption.exit_status or (OK if summary.is_clean else FAILED)


def demo_command() -> int:
    """Run the demo; return the exit status."""
    console = output_console()

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    try:
        with logging_to_stderr():
            summary = anyio.run(run_demo, say)
    except GridbusError as error:
        say(f"gridbus demo: {error}")
        return FAILED
    say("\nWhat the bus carried, and how long the plugins took:\n")
    _show(summary, as_json=False)
    return OK if summary.is_clean else FAILED


def check_command(file: Path) -> int:
    """Check the file of an application; return the exit status."""
    console = output_console()
    import_from_here()
    with logging_to_stderr(is_silent=True):  # what is wrong is listed below
        report = anyio.run(check_config, file)
    for problem in report.problems:
        console.print(str(problem), markup=False, soft_wrap=True)
    if report.problems:
        count = len(report.problems)
        console.print(f"{file}: {count} {'problem' if count == 1 else 'problems'}", markup=False, soft_wrap=True)
        return FAILED
    console.print(f"{file}: ok: {report.summary}", markup=False, soft_wrap=True)
    return OK


def _show(summary: Summary, *, as_json: bool) -> None:
    console = output_console()
    if as_json:
        print(summary_json(summary))
    elif console.is_terminal:
        print_summary(summary, console)
    else:
        print(summary_text(summary))


def _configured(name: str, out: Path) -> Any:
    """Return what to start for a name; the official plugins write below ``out``."""
    configs = {"audit-log": {"destination": str(out / "audit.jsonl")}, "export": {"directory": str(out)}}
    return (name, configs[name]) if name in configs else name


def _obstacle(file: Path, ops: str | None, names: Sequence[str]) -> str | None:
    """Return why the job cannot begin; None where it can."""
    for path in (file, *([] if ops in (None, "-") else [Path(str(ops))])):
        if not path.exists():
            return f"{path}: there is no such file"
        if path.is_dir():
            return f"{path}: this is a folder, name a file in it"
    known = [found.id for found in installed()]
    for name in names:
        if name not in known and ":" not in name and "/" not in name:
            return f"there is no plugin {name!r}; the installed ones are {', '.join(known) or 'none'}"
    return None

"""The commands of ``gridbus``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gridbus.cli.spread import spread
from gridbus.cli.streams import closing_quietly
from gridbus.manifest import Isolation

_RUN_HELP = """Load FILE into a grid, apply the operations of OPS, and end with a summary.

FILE is CSV, TSV, a JSON array or JSON lines; encoding, dialect and column types are found out.

OPS is a file of JSON lines, applied one after the other as they arrive; - is the standard input:

{"op":"create","values":{...}}   {"op":"update","id":"7","changes":{...}}   {"op":"delete","id":"7"}

{"op":"select","ids":["7"]}   {"op":"deselect","ids":["7"]}   {"op":"page","number":1,"size":50}

{"op":"sort","by":[{"column":"delay","desc":true}]}   {"op":"filter","where":{"column":"delay","gt":60}}

{"op":"export","format":"csv","path":"late.csv"} writes the view, filtered and sorted, to DIR.

With --watch it goes on after that until Ctrl-C or SIGTERM, and plugins that are folders are reloaded when they change.

Exit status: 0 where all went well; 1 where an operation, a row of FILE or a plugin failed, and the rest was done; \
2 where it could not begin; 130 after Ctrl-C and 143 after SIGTERM, which end it early and in order."""

_DEV_HELP = """Work on the plugin of FOLDER: it runs on a grid and is reloaded on save; health and errors are shown.

Where a save cannot be used, the generation before goes on, and the place and the reason are shown. A plugin that does \
not load at all is loaded when its code is repaired.

Keys, or lines on the standard input: r reload, b roll back, h health, e an example event (a row is created), q quit.

Exit status: 0 after q; 1 where the table cannot be read; 2 where it could not begin; 130 after Ctrl-C and 143 after \
SIGTERM, which end it in order."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An asyncio event bus that hosts plugins around a data grid.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from gridbus import __version__

        typer.echo(f"gridbus {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Run a grid with plugins on an event bus."""


_FILE = typer.Argument(metavar="FILE", show_default=False, help="The table to load.")
_PLUGINS = typer.Option(
    "--plugins",
    metavar="NAME...",
    show_default="export",
    help="Plugins to start, by id or module:Class, as in --plugins audit-log export, or a folder, as in "
    "--plugins=./mine: these and no others.",
)
_OPS = typer.Option(
    "--ops", metavar="OPS.jsonl", show_default=False, help="Operations to apply; - reads them from the standard input."
)
_OUT = typer.Option("--out", metavar="DIR", help="Where exports and audit.jsonl go; no export may lead out of it.")
_ID_COLUMN = typer.Option(
    "--id-column", metavar="C", show_default="rows are numbered", help="The column that holds each row's id."
)
_ISOLATION = typer.Option(
    "--isolation",
    show_default="processes for plugins that are not official",
    help="Where plugins run: inline only what you trust as your own code.",
)
_ASK = typer.Option("--ask", help="Ask before a plugin is granted anything.")
_UNCONFINED = typer.Option(
    "--allow-unconfined", help="Run plugins even where this machine cannot confine them, see gridbus doctor."
)
_WATCH = typer.Option(
    "--watch", help="Reload plugins when their files change, and run until Ctrl-C when all operations are applied."
)
_FOLDER = typer.Argument(metavar="FOLDER", show_default=False, help="The plugin's folder, with its manifest.")
_TABLE = typer.Option(
    "--file", metavar="TABLE", show_default="a small one", help="The table that the plugin is tried on."
)
_CONFIG = typer.Argument(metavar="gridbus.toml", help="The file that declares an application.")


@app.command(help=_RUN_HELP)
def run(
    file: Annotated[Path, _FILE],
    plugins: Annotated[list[str] | None, _PLUGINS] = None,
    ops: Annotated[str | None, _OPS] = None,
    out: Annotated[Path, _OUT] = Path(),
    id_column: Annotated[str | None, _ID_COLUMN] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    ask: Annotated[bool, _ASK] = False,
    isolation: Annotated[Isolation | None, _ISOLATION] = None,
    allow_unconfined: Annotated[bool, _UNCONFINED] = False,
    watch: Annotated[bool, _WATCH] = False,
) -> None:
    """Load a file, apply operations, and end with a summary."""
    from gridbus.cli.commands import run_command

    status = run_command(
        file,
        plugins,
        ops=ops,
        out=out,
        id_column=id_column,
        as_json=as_json,
        ask=ask,
        isolation=isolation,
        allow_unconfined=allow_unconfined,
        watch=watch,
    )
    raise typer.Exit(status)


@app.command(help=_DEV_HELP)
def dev(
    folder: Annotated[Path, _FOLDER],
    file: Annotated[Path | None, _TABLE] = None,
    isolation: Annotated[Isolation | None, _ISOLATION] = None,
    allow_unconfined: Annotated[bool, _UNCONFINED] = False,
) -> None:
    """Work on a plugin: it is reloaded on save."""
    from gridbus.cli.dev.command import dev_command

    raise typer.Exit(dev_command(folder, file, isolation=isolation, allow_unconfined=allow_unconfined))


@app.command()
def demo() -> None:
    """Show what gridbus does, on the packages installed here; writes to ./demo-out."""
    from gridbus.cli.commands import demo_command

    raise typer.Exit(demo_command())


@app.command()
def check(file: Annotated[Path, _CONFIG] = Path("gridbus.toml")) -> None:
    """Say what is wrong with the file of an application: each problem with file, key and reason."""
    from gridbus.cli.commands import check_command

    raise typer.Exit(check_command(file))


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False) -> None:
    """Say whether plugins that are not trusted can be held here: exit status 0 if so, else 1."""
    from gridbus.cli.doctor import doctor_command

    raise typer.Exit(doctor_command(as_json=as_json))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    with closing_quietly():
        app(spread(sys.argv[1:] if arguments is None else arguments, "--plugins"), prog_name="gridbus")

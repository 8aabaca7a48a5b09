"""Says what of the sandbox holds on this machine, and what to do about the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from gridbus.cli.streams import output_console
from gridbus.isolation.sandbox import Layer, SandboxReport, probe

if TYPE_CHECKING:
    from rich.console import Console

_HEADINGS = ("layer", "holds", "needed", "detail", "what to do")


def doctor_command(*, as_json: bool) -> int:
    """Try the layers and show what came of it; return 0 where untrusted plugins can be held, and 1 where not."""
    report = probe()
    console = output_console()
    if as_json:
        print(report_json(report))
    elif console.is_terminal:
        _print_report(report, console)
    else:
        print(report_text(report))
    return 0 if report.holds else 1


def report_json(report: SandboxReport) -> str:
    """Return the report as one JSON document."""
    return json.dumps({**attrs.asdict(report), "holds": report.holds}, ensure_ascii=False, indent=2)


def report_text(report: SandboxReport) -> str:
    """Return the report as plain text: a line for each layer, and what to do below it."""
    width = max(len(layer.name) for layer in report.layers)
    lines = [_machine(report), ""]
    for layer in report.layers:
        lines.append(f"{layer.name:<{width}}  {_holds(layer):<3}  {_needed(layer):<8}  {layer.detail}")
        if layer.remedy and not layer.holds:
            lines.append(f"{'':<{width}}       {'':<8}  to do: {layer.remedy}")
    return "\n".join([*lines, "", verdict(report)])


def verdict(report: SandboxReport) -> str:
    """Return the whole in a sentence."""
    if report.holds:
        return "Plugins that are not trusted can be held here."
    missing = [layer.name for layer in report.missing]
    do_not = "does not" if len(missing) == 1 else "do not"
    return (
        f"Plugins that are not trusted are refused here: {', '.join(missing)} {do_not} hold. "
        "Run them anyway only if you would run their code as your own."
    )


def _print_report(report: SandboxReport, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=_machine(report), title_justify="left")
    has_remedies = any(layer.remedy and not layer.holds for layer in report.layers)
    for heading in _HEADINGS if has_remedies else _HEADINGS[:-1]:
        table.add_column(heading)
    for layer in report.layers:
        style = "green" if layer.holds else "bold red" if layer.required else "yellow"
        remedy = [Text("" if layer.holds else layer.remedy)] if has_remedies else []
        table.add_row(layer.name, Text(_holds(layer), style), _needed(layer), Text(layer.detail), *remedy)
    console.print(table)
    console.print(verdict(report), style="green" if report.holds else "bold red", markup=False, soft_wrap=True)


def _machine(report: SandboxReport) -> str:
    return f"Sandbox on {report.platform}, kernel {report.kernel}, as {report.user}"


def _holds(layer: Layer) -> str:
    return "yes" if layer.holds else "no"


def _needed(layer: Layer) -> str:
    return "needed" if layer.required else "optional"

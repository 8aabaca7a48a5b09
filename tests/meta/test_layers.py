"""The layers: imports point down, layer 3 meets on the bus, and no file imports itself by a detour."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import pytest

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "ids", "clock"}),
    frozenset({"events", "query", "codec", "manifest", "tables", "bundles"}),
    frozenset({"bus", "channels", "contracts"}),
    frozenset({"grid", "plugins", "storage", "journal", "health", "isolation", "reload", "marketplace", "bridges"}),
    frozenset(
        {"app", "config", "hosting", "gridbus"}
    ),  # gridbus: the top package's __init__, which names parts of all below
    frozenset({"cli", "testing", "__main__"}),
)
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}
MEETING_ON_THE_BUS = 3  #: the layer whose packages never import each other


@attrs.frozen
class Import:
    """One import of one of our own modules."""

    by: str
    of: str
    names: tuple[str, ...]  #: what is taken from the module; empty for ``import x``
    where: str


def imports_of(source: Any, modules: Iterable[str]) -> Iterator[Import]:
    """List the imports of ``source`` wherever they stand: in functions and under ``TYPE_CHECKING`` too."""
    known = frozenset(modules)
    for node in ast.walk(source.tree):
        where = f"{source.path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in known:
                    yield Import(source.module, alias.name, (), where)
        elif isinstance(node, ast.ImportFrom):
            of = node.module or ""
            if node.level:
                above = source.package.split(".")[: len(source.package.split(".")) - node.level + 1]
                of = ".".join([*above, *([node.module] if node.module else [])])
            if of not in known:
                continue
            submodules = [alias.name for alias in node.names if f"{of}.{alias.name}" in known]
            for name in submodules:
                yield Import(source.module, f"{of}.{name}", (), where)
            names = tuple(alias.name for alias in node.names if alias.name not in submodules)
            if names:
                yield Import(source.module, of, names, where)


def unit_of(module: str) -> str:
    """The package or file right below gridbus that a module belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def level_of(module: str) -> int:
    """The layer of a module; what has none yet is left to the test that says so."""
    return LEVEL.get(unit_of(module), -1)


def inside(imports: Iterable[Import]) -> list[Import]:
    """The imports of gridbus by gridbus."""
    return [found for found in imports if found.by.startswith("gridbus") and found.of.startswith("gridbus")]


@pytest.fixture(scope="module")
def imports(sources: tuple[Any, ...]) -> tuple[Import, ...]:
    """All imports among our own modules."""
    modules = [source.module for source in sources]
    return tuple(found for source in sources for found in imports_of(source, modules))


def test_each_part_of_gridbus_has_a_layer(sources: tuple[Any, ...]) -> None:
    """A new package or file is put into a layer before it is used."""
    units = {unit_of(source.module) for source in sources if source.module.startswith("gridbus")}
    assert units <= LEVEL.keys(), f"add to LAYERS: {sorted(units - LEVEL.keys())}"


def test_no_import_points_up(imports: tuple[Import, ...]) -> None:
    """A part imports what its own layer or a lower one holds."""
    upward = [
        f"{found.where}: {found.by} (layer {level_of(found.by)}) imports {found.of} (layer {level_of(found.of)})"
        for found in inside(imports)
        if level_of(found.by) < level_of(found.of)
    ]
    assert not upward, "\n".join(upward)


def test_gridbus_does_not_import_official_plugins(imports: tuple[Import, ...]) -> None:
    """Plugins are found by entry point, never imported by name; the command line's demo may name them."""
    found = [i.where for i in imports if i.of.startswith("official_plugins") and i.by.startswith("gridbus")]
    assert not [where for where in found if not where.startswith("gridbus/cli/")]


def test_packages_of_layer_3_never_import_each_other(imports: tuple[Import, ...]) -> None:
    """They meet on the bus; data that two need goes to layer 1, protocols to layer 2."""
    peers = LAYERS[MEETING_ON_THE_BUS]
    sideways = [
        f"{found.where}: {found.by} imports {found.of}"
        for found in imports
        if {unit_of(found.by), unit_of(found.of)} <= peers and unit_of(found.by) != unit_of(found.of)
    ]
    assert not sideways, "\n".join(sideways)


def test_parts_do_not_import_each_other_in_a_circle(imports: tuple[Import, ...]) -> None:
    """Within a layer, too, dependencies have one direction."""
    edges = {(unit_of(found.by), unit_of(found.of)) for found in inside(imports)}
    assert not circle((by, of) for by, of in sorted(edges) if by != of)


def test_files_do_not_import_each_other_in_a_circle(imports: tuple[Import, ...]) -> None:
    """No file needs itself, not even through an import inside a function or for types only."""
    assert not circle((found.by, found.of) for found in imports)


def test_official_plugins_use_public_names_only(sources: tuple[Any, ...], imports: tuple[Import, ...]) -> None:
    """They are what any user could have written: they import packages, and names of their ``__all__``."""
    public = {s.module: names_in_all(s.tree) for s in sources if s.is_package and s.module.startswith("gridbus")}
    private = [
        f"{found.where}: {name} of {found.of}"
        for found in imports
        if found.by.startswith("official_plugins") and found.of.startswith("gridbus")
        for name in found.names or ("the module",)
        if found.of not in public or (found.names and name not in public[found.of])
    ]
    assert not private, "\n".join(private)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import gridbus.grid", {("gridbus.grid", ())}),
        ("from gridbus.grid import view", {("gridbus.grid.view", ())}),
        ("from . import view", {("gridbus.grid.view", ())}),
        ("from .view import View", {("gridbus.grid.view", ("View",))}),
        ("from ..bus import Bus", {("gridbus.bus", ("Bus",))}),
        ("def f():\n    from gridbus.bus import Bus", {("gridbus.bus", ("Bus",))}),
        ("if TYPE_CHECKING:\n    from gridbus.bus import Bus", {("gridbus.bus", ("Bus",))}),
        ("import asyncio", set()),
    ],
)
def test_each_form_of_import_is_seen(text: str, expected: set[tuple[str, tuple[str, ...]]]) -> None:
    """The graph misses none of the ways to write an import."""

    @attrs.frozen
    class Written:
        tree: ast.Module
        module: str = "gridbus.grid.rows"
        package: str = "gridbus.grid"
        path: str = "gridbus/grid/rows.py"

    modules = ["gridbus", "gridbus.bus", "gridbus.grid", "gridbus.grid.rows", "gridbus.grid.view"]
    assert {(i.of, i.names) for i in imports_of(Written(ast.parse(text)), modules)} == expected


def circle(edges: Iterable[tuple[str, str]]) -> list[str]:
    """Return one circle of the graph, its ends alike, or nothing."""
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for by, of in edges:
        sorter.add(by, of)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def names_in_all(tree: ast.Module) -> frozenset[str]:
    """Read ``__all__`` without importing."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return frozenset(ast.literal_eval(node.value))
    return frozenset()

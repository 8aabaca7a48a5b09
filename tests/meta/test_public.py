"""What is public is named in ``__all__``, importable and documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def packages(sources: tuple[Any, ...]) -> tuple[Any, ...]:
    """The ``__init__`` of each package."""
    return tuple(source for source in sources if source.is_package)


def test_there_are_packages(packages: tuple[Any, ...]) -> None:
    """The tests below look at something."""
    assert {"gridbus", "official_plugins"} <= {package.module for package in packages}


def test_every_folder_of_code_is_a_package(project: Path, sources: tuple[Any, ...]) -> None:
    """A folder without ``__init__`` would import, and miss all that holds for packages."""
    folders = {Path(source.path).parent for source in sources}
    assert not [str(folder) for folder in sorted(folders) if not (project / folder / "__init__.py").exists()]


def test_init_holds_only_imports_and_all(packages: tuple[Any, ...]) -> None:
    """Importing a package runs nothing of its own; the top one knows its version, and where its names live."""
    others = [
        f"{package.path}:{node.lineno}"
        for package in packages
        if package.module != "gridbus"
        for node in package.tree.body
        if not isinstance(node, ast.Import | ast.ImportFrom)
        and not is_docstring(node)
        and not (isinstance(node, ast.Assign) and assigned(node) <= {"__all__", "__version__"})
    ]
    assert not others, "\n".join(others)


def test_all_is_sorted_and_complete(packages: tuple[Any, ...]) -> None:
    """``__all__`` holds each public name that ``__init__`` imports: constants first, then classes, then functions."""
    wrong = []
    for package in packages:
        declared = declared_names(package.tree)
        if len(declared) != len(set(declared)):
            wrong.append(f"{package.path}: a name stands twice in __all__")
        if declared != sorted(declared, key=sort_key):
            wrong.append(f"{package.path}: __all__ is not sorted")
        imported = set(imported_names(package.tree))
        wrong += [f"{package.path}: {name} is missing in __all__" for name in sorted(imported - set(declared))]
        wrong += [f"{package.path}: {name} is in __all__ only" for name in sorted(set(declared) - imported)]
    assert not wrong, "\n".join(wrong)


def test_the_top_package_knows_where_its_names_live(packages: tuple[Any, ...]) -> None:
    """What type checkers read, what is imported at first use, and ``__all__`` name the same things."""
    [top] = [package for package in packages if package.module == "gridbus"]
    [block] = [node for node in top.tree.body if isinstance(node, ast.If)]
    read = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    import gridbus

    assert read == gridbus._HOME_OF
    assert sorted(gridbus.__all__, key=sort_key) == gridbus.__all__ == dir(gridbus)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gridbus.nothing  # noqa: B018


def test_each_public_name_can_be_imported(packages: tuple[Any, ...]) -> None:
    """``from package import name`` works for all of ``__all__``."""
    missing = [
        f"{package.module}.{name}"
        for package in packages
        for name in declared_names(package.tree)
        if not hasattr(importlib.import_module(package.module), name)
    ]
    assert not missing, "\n".join(missing)


def test_each_module_can_be_imported(sources: tuple[Any, ...]) -> None:
    """No file is broken, not even one that nothing imports yet."""
    for source in sources:
        if not source.module.endswith("__main__"):
            importlib.import_module(source.module)


def test_each_public_class_and_function_is_documented(packages: tuple[Any, ...]) -> None:
    """Each has a docstring of its own, not one that it inherits; so have the public methods."""
    bare = []
    for package in packages:
        module = importlib.import_module(package.module)
        for name in declared_names(package.tree):
            found = getattr(module, name, None)
            if inspect.isclass(found) or inspect.isfunction(found):
                bare += [f"{package.module}.{place}" for place in undocumented(name, found)]
    assert not bare, "\n".join(bare)


def test_each_entry_point_can_be_loaded(project: Path) -> None:
    """What pyproject.toml promises to installers exists."""
    table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    targets = [*table["scripts"].values(), *table["entry-points"]["gridbus.plugins"].values()]
    for target in targets:
        module, _, attribute = target.partition(":")
        assert hasattr(importlib.import_module(module), attribute), target


def undocumented(name: str, found: Any) -> Iterator[str]:
    """Name the parts of a class or function without a docstring."""
    if not vars(found).get("__doc__") if inspect.isclass(found) else not found.__doc__:
        yield name
    if inspect.isclass(found):
        for attribute, value in vars(found).items():
            function: Any = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            function = inspect.unwrap(function)  # a decorator may have hidden it
            if inspect.isfunction(function) and not attribute.startswith("_") and not function.__doc__:
                yield f"{name}.{attribute}"


def is_docstring(node: ast.stmt) -> bool:
    """Tell whether a statement is only a string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def assigned(node: ast.Assign) -> set[str]:
    """The names that an assignment binds."""
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


def declared_names(tree: ast.Module) -> list[str]:
    """Read ``__all__`` without importing."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and "__all__" in assigned(node):
            return list(ast.literal_eval(node.value))
    return []


def imported_names(tree: ast.Module) -> Iterator[str]:
    """The public names that imports of our own, for type checkers too, and ``__version__`` bind."""
    blocks = [node.body for node in tree.body if isinstance(node, ast.If)]
    for node in [*tree.body, *(inner for block in blocks for inner in block)]:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in (
            "gridbus",
            "official_plugins",
        ):
            yield from (alias.asname or alias.name for alias in node.names if not alias.name.startswith("_"))
        elif isinstance(node, ast.Assign):
            yield from assigned(node) & {"__version__"}


def sort_key(name: str) -> tuple[int, str]:
    """Order as ruff's RUF022 does: constants, classes, the rest."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1, name) if name[:1].isupper() else (2, name)

"""A grid with plugins in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from gridbus import (
    Channel,
    Column,
    ColumnType,
    NoServer,
    Plugin,
    PluginMetadata,
    PluginValidationError,
    open_grid,
    serves,
)


@attrs.frozen
class Config:
    """What it says."""

    word: str = "hello"


GREET: Channel[str, str] = Channel("greeter:greet", str, str)


class Greeter(Plugin[Config]):
    """Greets."""

    metadata = PluginMetadata(id="greeter", name="Greeter", version="1.0")

    @serves(GREET)
    async def greet(self, name: str) -> str:
        return f"{self.config.word}, {name}"


@pytest.mark.parametrize(
    ("plugin", "word"),
    [
        (Greeter, "hello"),
        (Greeter(), "hello"),
        ((Greeter, {"word": "good day"}), "good day"),
        (Greeter(word="hi"), "hi"),
    ],
    ids=["class", "instance", "class and values", "instance with values"],
)
async def test_plugins_come_as_instances_classes_and_classes_with_values(plugin: Any, word: str) -> None:
    """And answer to the grid."""
    async with open_grid(plugins=[plugin]) as grid:
        assert await grid.ask(GREET, "Ada") == f"{word}, Ada"


async def test_rows_come_with_their_columns_or_without() -> None:
    """A name alone is a column of text."""
    async with open_grid(rows=[{"a": 1, "b": "x"}]) as grid:
        assert [(column.name, column.type) for column in grid.columns] == [
            ("a", ColumnType.INT),
            ("b", ColumnType.TEXT),
        ]
    async with open_grid(rows=[{"a": 1}], columns=[Column("a", ColumnType.FLOAT), "b"], name="mine") as grid:
        assert grid.name == "mine"
        assert dict(grid.get("1")) == {"a": 1.0, "b": None}
        row = await grid.create({"b": "y"})
        assert row.id == "2"


async def test_a_file_is_loaded_with_ids_of_its_own(tmp_path: Path) -> None:
    """The id column names the rows."""
    path = tmp_path / "people.csv"
    path.write_text("name,born\nAda,1815\n")
    async with open_grid(path, id_column="name") as grid:
        assert grid.get("Ada")["born"] == 1815


async def test_a_configuration_that_does_not_fit_is_an_error_before_the_block() -> None:
    """It names plugin and key."""
    with pytest.raises(PluginValidationError, match=r'config of plugin \'greeter\': unknown key "wrod".*@ \$\.wrod'):
        async with open_grid(plugins=[(Greeter, {"wrod": 1})]):
            pytest.fail("the block must not run")


async def test_it_opens_without_a_plugin_where_that_is_asked() -> None:
    """Asking what is not there says so."""
    async with open_grid(plugins=[(Greeter, {"wrod": 1})], strict=False) as grid:
        with pytest.raises(NoServer):
            await grid.ask(GREET, "Ada")

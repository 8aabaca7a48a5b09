"""The file of an application is read strictly, and a check tells everything that is wrong with it at once."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs
import pytest

from gridbus import App, Column, ColumnType, ConfigError, Plugin, PluginMetadata
from gridbus.config import (
    AppConfig,
    GridConfig,
    IsolationConfig,
    PluginConfig,
    StorageConfig,
    StorageKind,
    check_config,
    read_config,
)
from gridbus.manifest import Isolation

WHOLE = """
name = "shop"

[grid]
name = "people"
id_column = "name"
columns = [{ name = "name" }, { name = "born", type = "int", title = "Year of birth" }]

[storage]
kind = "sqlite"
path = "state.db"
durable = true

[isolation]
require = false

[plugins.audit-log]
config = { destination = "a.jsonl" }
grants = ["subscribe:row:*"]
isolation = "process"
limits = { memory_bytes = "64 MiB", max_tasks = 3 }
site = "libraries"

[plugins.export]
enabled = false
"""


@attrs.frozen
class Options:
    """How it is configured."""

    size: int = 1


class Sized(Plugin[Options]):
    """Takes a size, and needs another plugin."""

    metadata = PluginMetadata(id="sized", name="Sized", version="1.0", dependencies=("export>=9",), topics=("sizes",))

    def validate_config(self, config: Options) -> list[str] | None:
        return ["sizes are odd @ $.size"] if config.size % 2 == 0 else None


class Rival(Plugin):
    """Would own the same topics."""

    metadata = PluginMetadata(id="rival", name="Rival", version="1.0", dependencies=("absent",), topics=("sizes",))


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the plugins of this module be imported by name."""
    monkeypatch.setitem(sys.modules, "config_test_plugins", sys.modules[__name__])


def write(folder: Path, text: str) -> Path:
    """Write the file."""
    path = folder / "gridbus.toml"
    path.write_text(text)
    return path


def test_each_part_is_read(tmp_path: Path) -> None:
    """Paths are relative to the file."""
    assert read_config(write(tmp_path, WHOLE)) == AppConfig(
        name="shop",
        grid=GridConfig(
            name="people",
            id_column="name",
            columns=(Column("name"), Column("born", ColumnType.INT, title="Year of birth")),
        ),
        storage=StorageConfig(kind=StorageKind.SQLITE, path=tmp_path / "state.db", durable=True),
        isolation=IsolationConfig(require=False),
        plugins={
            "audit-log": PluginConfig(
                config={"destination": "a.jsonl"},
                grants=("subscribe:row:*",),
                isolation=Isolation.PROCESS,
                limits={"memory_bytes": "64 MiB", "max_tasks": 3},
                site=tmp_path / "libraries",
            ),
            "export": PluginConfig(enabled=False),
        },
    )


def test_an_empty_file_is_an_application(tmp_path: Path) -> None:
    """Of an empty grid."""
    assert read_config(write(tmp_path, "")) == AppConfig()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = ?", "no valid TOML: invalid value (at line 1, column 5)"),
        ("grid = 1", "expected mapping (GridConfig), got int 1 @ $.grid"),
        ('[grid]\nfile = "a"\ncolumns = [{name = "b"}]', "the file says which columns there are"),
        ('[storage]\nkind = "sqlite"', "sqlite needs a file @ $.storage.path"),
        ('[storage]\npath = "a"', "memory has no file"),
        ("health_interval = 0", "a number of seconds above 0 is needed, not 0 @ $.health_interval"),
        ('[plugins.a]\ngrants = ["fly"]', "'fly' is no permission"),
        ('[plugins.a]\nisolation = "jail"', "@ $.plugins.a.isolation"),
        ('[plugins.a]\nlimits = { memory_bytes = "lots" }', "'lots' is no size"),
        (
            "[plugins.a]\nlimits = { threads = 0 }",
            "a whole number above 0 is needed, not 0 @ $.plugins.a.limits.threads",
        ),
        ("[plugins.a]\nlimits = { speed = 1 }", "there is no such limit"),
        ('[plugins.a]\nisolation = "inline"\nsite = "x"', "what runs inline has the libraries of the application"),
        ("[isolation]\nrequire = 1", "@ $.isolation.require"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(text: str, problem: str, tmp_path: Path) -> None:
    """And the file."""
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert caught.value.subject == str(path)
    assert problem in caught.value.problems[0]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Whatever the reason."""
    for path, problem in (
        (tmp_path / "nosuch", "there is no such file"),
        (tmp_path, "it cannot be read: Is a directory"),
    ):
        with pytest.raises(ConfigError) as caught:
            read_config(path)
        assert caught.value.problems == (problem,)
    (tmp_path / "a").write_bytes(b'a = 1\nb = "\xff"')
    with pytest.raises(ConfigError, match="line 2 is not UTF-8"):
        read_config(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ConfigError, match="more than 1,048,576 bytes"):
        read_config(tmp_path / "a")


async def test_a_check_tells_everything_at_once(tmp_path: Path) -> None:
    """Each problem with its key; one hides no other."""
    text = """
nmae = "x"
[grid]
file = "nosuch.csv"
[storage]
kind = "sqlite"
path = "nosuch/state.db"
[plugins.audit-log]
config = { evnts = ["row:*"], fsync = 1 }
[plugins.exprot]
[plugins.export]
config = { formats = ["doc"] }
[plugins.sized]
use = "config_test_plugins:Sized"
isolation = "inline"
config = { size = 2 }
[plugins.other]
use = "config_test_plugins:Rival"
isolation = "inline"
[plugins.none]
use = "nosuch:Thing"
[plugins.text]
use = 1
[plugins.off]
enabled = false
"""
    report = await check_config(write(tmp_path, text))
    found = {problem.key: problem.reason for problem in report.problems}
    assert list(found) == [
        "plugins.text.use",
        "nmae",
        "grid.file",
        "storage.path",
        "plugins.audit-log.config.fsync",
        "plugins.audit-log.config.evnts",
        "plugins.exprot",
        "plugins.export.config.formats[0]",
        "plugins.sized.config.size",
        "plugins.other.use",
        "plugins.none.use",
        "plugins.rival",
    ]
    assert found["plugins.exprot"].startswith("no installed package offers this plugin; did you mean 'export'?")
    assert found["plugins.sized.config.size"] == "sizes are odd"
    assert found["plugins.other.use"] == "this plugin is 'rival': name the table after it"
    assert found["plugins.rival"] == "it needs the plugin 'absent', which is not among these"
    assert "No module named 'nosuch'" in found["plugins.none.use"]
    assert (report.config, report.summary) == (None, "it cannot be used")
    assert str(report.problems[1]) == f'{tmp_path / "gridbus.toml"}: nmae: unknown key "nmae", did you mean "name"?'


async def test_a_check_minds_what_plugins_need_of_each_other(tmp_path: Path) -> None:
    """Versions that do not fit, and topics that two would own."""
    text = """
[plugins.export]
[plugins.sized]
use = "config_test_plugins:Sized"
isolation = "inline"
[plugins.rival]
use = "config_test_plugins:Rival"
isolation = "inline"
"""
    report = await check_config(write(tmp_path, text))
    assert [str(problem.key) for problem in report.problems] == ["plugins.rival.use", "plugins.sized"]
    assert "both own the topics sizes:*" in report.problems[0].reason
    assert report.problems[1].reason == "it needs another 'export': 0.1.0 is not >=9"


async def test_a_plugin_may_be_a_folder_beside_the_file(tmp_path: Path) -> None:
    """Relative to the file, whatever the working folder is."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "gridbus-plugin.toml").write_text(
        '[plugin]\nid = "mine"\nname = "Mine"\nversion = "1"\nentry = "code:Mine"\n'
    )
    (folder / "code.py").write_text("from gridbus import Plugin\n\n\nclass Mine(Plugin):\n    pass\n")
    path = write(tmp_path, '[plugins.mine]\nuse = "./mine"\n')
    assert (await check_config(path)).problems == ()
    async with App.from_config(path) as app:
        assert app.plugins == ("mine",)


async def test_a_check_looks_for_libraries_of_a_plugins_own(tmp_path: Path) -> None:
    """They are a folder."""
    report = await check_config(write(tmp_path, '[plugins.export]\nsite = "nosuch"\n'))
    assert [str(problem) for problem in report.problems] == [
        f"{tmp_path / 'gridbus.toml'}: plugins.export.site: there is no folder {tmp_path / 'nosuch'}"
    ]


async def test_a_check_imports_nothing_that_is_not_trusted(tmp_path: Path) -> None:
    """It asks a process, which tells what is wrong just the same; what is configured as inline is imported."""
    folder = tmp_path / "loud"
    folder.mkdir()
    (folder / "gridbus-plugin.toml").write_text(
        '[plugin]\nid = "loud"\nname = "Loud"\nversion = "1"\nentry = "code:Loud"\n'
    )
    (folder / "code.py").write_text(
        "import sys\nfrom dataclasses import dataclass\nfrom gridbus import Plugin\n\n"
        "sys.gridbus_test_was_here = True\n"
        "@dataclass\nclass Options:\n    volume: int = 1\n\nclass Loud(Plugin[Options]):\n    pass\n"
    )
    text = '[isolation]\nrequire = false\n[plugins.loud]\nuse = "./loud"\nconfig = { volume = "high" }\n'
    report = await check_config(write(tmp_path, text))
    assert [problem.key for problem in report.problems] == ["plugins.loud.config.volume"]
    assert not hasattr(sys, "gridbus_test_was_here")
    report = await check_config(write(tmp_path, text + 'isolation = "inline"\n'))
    assert [problem.key for problem in report.problems] == ["plugins.loud.config.volume"]
    assert sys.__dict__.pop("gridbus_test_was_here")


async def test_a_file_that_is_right_is_summed_up(tmp_path: Path) -> None:
    """With what is declared."""
    (tmp_path / "libraries").mkdir()
    report = await check_config(write(tmp_path, WHOLE))
    assert report.problems == ()
    expected = "grid 'people' with 2 columns; plugins: audit-log (disabled: export); storage: sqlite"
    assert report.summary == expected

"""What an application's file declares: its grid, its plugins, and where they keep things."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from gridbus.errors import ConfigError, PluginValidationError
from gridbus.events.grid import Column
from gridbus.manifest import Isolation, Permission, ResourceLimits
from gridbus.manifest.limits import changed_limits


class StorageKind(enum.StrEnum):
    """Where plugins keep their values."""

    MEMORY = "memory"  #: gone when the application ends
    SQLITE = "sqlite"  #: in one file


@attrs.frozen(kw_only=True)
class GridConfig:
    """The grid, and what it holds at the start."""

    name: str = "grid"
    file: Path | None = None  #: a table to load; relative to the folder of the application's file
    id_column: str | None = None  #: whose text is the id of each row; rows are numbered where None
    columns: tuple[Column, ...] = ()  #: where there is no file

    def __attrs_post_init__(self) -> None:
        """Refuse columns beside a file."""
        if self.file is not None and self.columns:
            raise ConfigError("grid", ["the file says which columns there are: leave out one of the two @ columns"])


@attrs.frozen(kw_only=True)
class StorageConfig:
    """Where plugins keep their values."""

    kind: StorageKind = StorageKind.MEMORY
    path: Path | None = None  #: of the SQLite file; relative to the folder of the application's file
    durable: bool = False  #: survive a power failure too, at the price of a flush per write

    def __attrs_post_init__(self) -> None:
        """Refuse a path where none is needed, and none where one is."""
        if self.kind is StorageKind.SQLITE and self.path is None:
            raise ConfigError("storage", ["sqlite needs a file @ path"])
        if self.kind is StorageKind.MEMORY and self.path is not None:
            raise ConfigError("storage", ['memory has no file: write kind = "sqlite", or leave it out @ path'])


@attrs.frozen(kw_only=True)
class PluginConfig:
    """One plugin: which, how it is configured, and what it may do."""

    use: str | None = None  #: ``module:Class``, or a folder, as in ``./mine``; the installed plugin where None
    enabled: bool = True
    config: Mapping[str, Any] = attrs.field(factory=dict)  #: what the plugin itself reads
    grants: tuple[str, ...] | None = None  #: permissions; what the plugin asks for where None
    isolation: Isolation | None = None  #: inline or process, whatever the plugin says; by trust where None
    limits: Mapping[str, Any] = attrs.field(factory=dict)  #: instead of the plugin's own, by name
    site: Path | None = None  #: a folder with libraries of its own; relative to the folder of the application's file

    def __attrs_post_init__(self) -> None:
        """Refuse permissions and limits that are none, and libraries of its own for what runs inline."""
        problems = []
        if self.isolation is Isolation.INLINE and self.site is not None:
            problems.append("what runs inline has the libraries of the application: leave it out, or isolation @ site")
        for index, text in enumerate(self.grants or ()):
            try:
                Permission.parse(text)
            except PluginValidationError as error:
                problems.append(f"{error} @ grants[{index}]")
        try:
            changed_limits(ResourceLimits(), self.limits)
        except PluginValidationError as error:
            problems += [f"{problem.replace(' @ ', ' @ limits.')}" for problem in error.details["problems"]]
        if problems:
            raise ConfigError("plugin", problems)

    @property
    def permissions(self) -> tuple[Permission, ...] | None:
        """The permissions that are granted; None grants what the plugin asks for."""
        return None if self.grants is None else tuple(map(Permission.parse, self.grants))


@attrs.frozen(kw_only=True)
class IsolationConfig:
    """What is asked of the sandbox."""

    require: bool = True  #: refuse plugins that are not trusted where this machine cannot confine them


@attrs.frozen(kw_only=True)
class AppConfig:
    """An application."""

    name: str = "app"
    grid: GridConfig = GridConfig()
    storage: StorageConfig = StorageConfig()
    isolation: IsolationConfig = IsolationConfig()
    health_interval: float = 30.0  #: seconds between two checks of how plugins are
    plugins: Mapping[str, PluginConfig] = attrs.field(factory=dict)  #: by id; they start in this order

    def __attrs_post_init__(self) -> None:
        """Refuse an interval that is none."""
        if not self.health_interval > 0:
            problem = f"a number of seconds above 0 is needed, not {self.health_interval:g} @ health_interval"
            raise ConfigError("application", [problem])

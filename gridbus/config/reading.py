"""Reads the file that declares an application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from gridbus.codec import structure
from gridbus.config.model import AppConfig
from gridbus.errors import ConfigError

MOST_BYTES = 1 << 20  #: of the file; an honest one has a few kilobytes


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    import tomllib  # not needed by applications that are written in code

    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(str(path), ["there is no such file"]) from None
    except OSError as error:
        raise ConfigError(str(path), [f"it cannot be read: {error.strerror or error}"]) from None
    if len(content) > MOST_BYTES:
        raise ConfigError(str(path), [f"it has more than {MOST_BYTES:,} bytes, which is the most"])
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(str(path), [f"line {line} is not UTF-8, which TOML has to be"]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigError(str(path), [f"no valid TOML: {reason[:1].lower()}{reason[1:]}"]) from None


def structured(data: dict[str, Any], path: Path) -> AppConfig:
    """Return what was read as an application's configuration, its paths made relative to the file's folder.

    Raises:
        ConfigError: something is unknown, missing or of a wrong type; all of it is listed.
    """
    config = structure(data, AppConfig, what=str(path))
    grid, storage = config.grid, config.storage
    if grid.file is not None:
        grid = attrs.evolve(grid, file=path.parent / grid.file)
    if storage.path is not None:
        storage = attrs.evolve(storage, path=path.parent / storage.path)
    plugins = {
        plugin_id: attrs.evolve(
            one,
            use=None if one.use is None else resolved_use(one.use, path),
            site=None if one.site is None else path.parent / one.site,
        )
        for plugin_id, one in config.plugins.items()
    }
    return attrs.evolve(config, grid=grid, storage=storage, plugins=plugins)


def resolved_use(use: str, path: Path) -> str:
    """Return ``module:Class`` as it is, and a plugin's folder relative to that of the application's file."""
    return str(path.parent / use) if "/" in use else use


def read_config(path: Path | str) -> AppConfig:
    """Read the file that declares an application.

    Raises:
        ConfigError: it cannot be read, or something in it cannot be used; each problem is ``message @ $.key``.
    """
    path = Path(path)
    return structured(read_toml(path), path)

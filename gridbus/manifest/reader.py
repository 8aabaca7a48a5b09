"""The file ``gridbus-plugin.toml``: a plugin's metadata, read without importing the plugin."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import attrs

from gridbus.codec.wording import quoted, suggestion
from gridbus.errors import PluginLoadError, PluginValidationError
from gridbus.manifest._problems import listed, reasons_in, shown
from gridbus.manifest.dependency import Dependency
from gridbus.manifest.limits import ResourceLimits
from gridbus.manifest.metadata import PluginMetadata
from gridbus.manifest.permissions import Permission

MANIFEST_NAME = "gridbus-plugin.toml"
MAX_MANIFEST_BYTES = 1 << 20  #: manifests come from strangers; an honest one has a few kilobytes

_RELATIONS = ("dependencies", "conflicts", "peers")
_TABLES = ("plugin", "permissions", "limits", *_RELATIONS)
_ELSEWHERE = {"permissions", "limits", *_RELATIONS, "verified", "featured"}  # own tables, and what a market says
_REQUIRED = ("id", "name", "version", "entry")
_ENTRY = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"


@attrs.frozen
class Manifest:
    """What a manifest file declares."""

    metadata: PluginMetadata
    entry: str  #: ``module:Class``, the plugin's class
    where: str  #: the file


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Read a manifest file, or the one in a plugin's folder.

    Raises:
        PluginLoadError: the file cannot be read.
        PluginValidationError: it is no manifest; the message lists each problem as ``message @ key``.
    """
    path = os.fspath(path)  # not a Path: importing pathlib would be a tenth of what importing gridbus may cost
    if os.path.isdir(path):
        path = os.path.join(path, MANIFEST_NAME)
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise PluginLoadError(f"cannot read the manifest {path}: {error.strerror or error}") from error
    return decode_manifest(content, where=path)


def decode_manifest(content: bytes, *, where: str) -> Manifest:
    """Read what a manifest file holds; ``where`` names it in errors.

    Raises:
        PluginValidationError: as ``read_manifest``.
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise PluginValidationError(f"{where}: a manifest has at most {MAX_MANIFEST_BYTES:,} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PluginValidationError(f"{where}: line {line} is not UTF-8, which TOML has to be") from None
    return parse_manifest(text, where=where)


def read_packaged_manifest(package: str) -> Manifest:
    """Read the manifest within an installed package, named as an entry point of ``gridbus.manifest`` names it.

    No code of the package runs, not even its ``__init__``.

    Raises:
        PluginLoadError: there is no such package, or it has no manifest.
        PluginValidationError: as ``read_manifest``.
    """
    import importlib.util

    top, *below = package.split(".")
    spec = importlib.util.find_spec(top)  # finds a top-level package without importing it
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if os.path.isfile(path := os.path.join(location, *below, MANIFEST_NAME)):
            return read_manifest(path)
    reason = f"it has no {MANIFEST_NAME}" if spec else "it is not installed"
    raise PluginLoadError(f"package {package!r} cannot be used as a plugin: {reason}")


def parse_manifest(text: str, *, where: str = MANIFEST_NAME) -> Manifest:
    """Read the text of a manifest; ``where`` names it in errors.

    Raises:
        PluginValidationError: the text is no manifest; the message lists each problem as ``message @ key``.
    """
    import tomllib  # not needed by whoever writes plugins as classes

    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise PluginValidationError(f"{where} is no TOML: {reason}") from None
    return _Reader(document).read(where)


class _Reader:
    """Reads one document and collects what is wrong with it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.problems: list[str] = []

    def read(self, where: str) -> Manifest:
        self.refuse_unknown(self.document, _TABLES, "")
        plugin = self.table("plugin")
        fields = {field.name for field in attrs.fields(PluginMetadata)} - _ELSEWHERE
        self.refuse_unknown(plugin, {*fields, "entry"}, "plugin.")
        self.problems += [f"missing @ plugin.{key}" for key in _REQUIRED if key not in plugin]
        entry = plugin.get("entry")
        if "entry" in plugin and not (isinstance(entry, str) and re.fullmatch(_ENTRY, entry)):
            self.problems.append(f"{shown(entry)} is no entry: write 'package.module:Class' @ plugin.entry")
        metadata = self.metadata({key: value for key, value in plugin.items() if key in fields})
        if metadata is None or self.problems:
            plugin_id = plugin.get("id")
            raise PluginValidationError(
                listed(where, self.problems),
                plugin_id if isinstance(plugin_id, str) else None,
                problems=tuple(self.problems),
            )
        return Manifest(metadata, str(entry), where)

    def metadata(self, values: dict[str, Any]) -> PluginMetadata | None:
        for key in _RELATIONS:
            values[key] = tuple(self.relations(key))
        values["permissions"] = tuple(self.permissions(self.table("permissions"), "", "permissions."))
        values["limits"] = self.limits(self.table("limits"))
        # What is missing is a problem already: with these in its place, the rest is checked all the same.
        stand_ins: dict[str, Any] = {"id": "unnamed", "name": "unnamed", "version": "0"}
        try:
            return PluginMetadata(**(stand_ins | values))
        except PluginValidationError as error:
            for problem in reasons_in(error):
                message, _, path = problem.rpartition(" @ ")
                prefix = "" if path.partition("[")[0] in _RELATIONS else "plugin."
                self.problems.append(f"{message} @ {prefix}{path}")
            return None

    def relations(self, key: str) -> Iterator[Dependency]:
        for other, value in self.table(key).items():
            path = f"{key}.{other}"
            options = value if isinstance(value, dict) else {"versions": value}
            self.refuse_unknown(options, ("versions", "optional"), f"{path}.")
            known = {name: options[name] for name in ("versions", "optional") if name in options}
            try:
                yield Dependency(other, **known)
            except PluginValidationError as error:
                # Two problems have paths of their own within a dependency, of which the file shows only one.
                self.problems += [f"{reason.rpartition(' @ ')[0]} @ {path}" for reason in reasons_in(error)]

    def permissions(self, table: Mapping[str, Any], prefix: str, path: str) -> Iterator[Permission]:
        """Read ``kind = true``, ``kind = "target"`` and ``kind = ["target", ...]``; ``grid.read`` may be nested."""
        for key, value in table.items():
            kind, here = f"{prefix}{key}", f"{path}{key}"
            if isinstance(value, dict):
                yield from self.permissions(value, f"{kind}.", f"{here}.")
                continue
            if isinstance(value, bool):
                targets = {here: "*"} if value else {}
            elif isinstance(value, list):
                targets = {f"{here}[{index}]": target for index, target in enumerate(value)}
            else:
                targets = {here: value}
            for place, target in targets.items():
                try:
                    yield Permission(kind, target)
                except PluginValidationError as error:
                    self.problems.append(f"{error} @ {place}")

    def limits(self, table: dict[str, Any]) -> ResourceLimits:
        known = [field.name for field in attrs.fields(ResourceLimits)]
        self.refuse_unknown(table, known, "limits.")
        try:
            return ResourceLimits(**{key: value for key, value in table.items() if key in known})
        except PluginValidationError as error:
            self.problems += [reason.replace(" @ ", " @ limits.") for reason in reasons_in(error)]
            return ResourceLimits()

    def table(self, key: str) -> dict[str, Any]:
        value = self.document.get(key, {})
        if isinstance(value, dict):
            return value
        self.problems.append(f"a table is needed, not {shown(value)}: write [{key}] @ {key}")
        return {}

    def refuse_unknown(self, table: Mapping[str, Any], known: Collection[str], path: str) -> None:
        for key in table:
            if key not in known:
                hint = suggestion(key, known) or f", choose from {', '.join(sorted(known))}"
                self.problems.append(f"unknown key {quoted(key)}{hint} @ {path}{key}")

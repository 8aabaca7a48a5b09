"""What the demo shows: the packages installed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from gridbus.events.grid import Column, ColumnType

COLUMNS = (
    Column("name"),
    Column("version"),
    Column("email"),
    Column("licence"),
    Column("files", ColumnType.INT),
    Column("bytes", ColumnType.INT),
)

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_LONGEST = 60  # characters of a licence; some packages give its whole text


def installed_packages() -> Iterator[dict[str, Any]]:
    """Yield each package of this environment; reads many small files, so it belongs in a thread."""
    seen = set()
    for package in metadata.distributions():
        name = package.metadata["Name"]
        if name and name.casefold() not in seen:
            seen.add(name.casefold())
            files = package.files or []
            yield {
                "name": name,
                "version": package.version,
                "email": _email(package.metadata),
                "licence": _licence(package.metadata),
                "files": len(files),
                "bytes": sum(file.size or 0 for file in files),
            }


def _email(about: Any) -> str | None:
    for key in ("Author-email", "Maintainer-email"):
        match = _EMAIL.search(about.get(key) or "")
        if match is not None:
            return match[0]
    return None


def _licence(about: Any) -> str | None:
    stated = about.get("License-Expression") or (about.get("License") or "").strip().partition("\n")[0]
    if stated and stated != "UNKNOWN":
        return str(stated)[:_LONGEST]
    for classifier in about.get_all("Classifier") or []:
        if classifier.startswith("License ::") and (name := classifier.rpartition(" :: ")[2]) != "OSI Approved":
            return str(name)
    return None

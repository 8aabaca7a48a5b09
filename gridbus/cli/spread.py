"""Lets an option take several words: ``--plugins audit-log export``."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAME = re.compile(r"[a-z][a-z0-9-]*|[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def spread(arguments: Iterable[str], option: str) -> list[str]:
    """Write ``option a b`` and ``option a,b`` as ``option a option b``, which is how parsers know repeated options.

    What looks like no name of a plugin (``flights.csv``, ``--json``) ends the list.
    """
    found: list[str] = []
    is_open = has_any = False
    for argument in arguments:
        if argument == option:
            is_open, has_any = True, False
        elif argument.startswith(f"{option}="):
            found += _pairs(argument.partition("=")[2], option)
            is_open = False
        elif is_open and all(_NAME.fullmatch(name) for name in argument.split(",")):
            found += _pairs(argument, option)
            has_any = True
        else:
            if is_open and not has_any:
                found.append(option)  # with nothing that it could take: the parser says so
            is_open = False
            found.append(argument)
    if is_open and not has_any:
        found.append(option)
    return found


def _pairs(names: str, option: str) -> list[str]:
    return [word for name in names.split(",") for word in (option, name)]

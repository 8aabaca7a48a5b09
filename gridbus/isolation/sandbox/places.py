"""What any plugin's process may read: the interpreter, libraries, and what they look up."""

from __future__ import annotations

import os
import sys
from functools import cache

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
#: time zones, and the public half of OpenSSL; nothing of /proc, for none of it can be given by path without the rest
_LOOKED_UP = (
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/ssl/openssl.cnf",
    "/etc/ssl/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/crypto-policies/back-ends",
    "/usr/share/ca-certificates",
)
_DEVICES = ("/dev/urandom", "/dev/random", "/dev/zero", "/dev/full")
_SHARED = {"", "/", "/usr", "/usr/local"}  # prefixes that hold more than an interpreter
_INSTALLED = ("site-packages", "dist-packages")


@cache
def interpreter_paths() -> tuple[str, ...]:
    """Return the folders of the interpreter, its standard library, what is installed for it, and gridbus itself.

    Other entries of ``sys.path`` are the application's own folders, and no plugin's business.
    """
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix} - _SHARED
    installed = [entry for entry in sys.path if os.path.basename(entry) in _INSTALLED]
    standard = os.path.dirname(os.__file__)
    return _outermost([path for path in (*prefixes, standard, *installed, _own_folder()) if os.path.exists(path)])


@cache
def readable_paths() -> tuple[str, ...]:
    """Return all that may be read without a permission."""
    return _outermost([*interpreter_paths(), *_LIBRARIES, *_LOOKED_UP, *_DEVICES])


def _own_folder() -> str:
    """Return the folder of the gridbus package, from where this file is in it."""
    return os.path.abspath(os.path.join(__file__, "../../.."))


def _outermost(paths: list[str]) -> tuple[str, ...]:
    """Leave out what is below another; by name only: a rule too many does no harm."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not kept or not (path + "/").startswith(kept[-1].rstrip("/") + "/"):
            kept.append(path)
    return tuple(kept)

"""A plugin's code on its way into its process: a file without a name, whose descriptor is passed."""

from __future__ import annotations

import marshal
import os
import socket
import tempfile
from collections.abc import Mapping
from typing import IO

from gridbus.bundles import Bundle
from gridbus.errors import ProtocolViolation


def pack_code(bundle: Bundle) -> bytes:
    """Return the code of a folder, compiled, for a process of the same interpreter."""
    return marshal.dumps(bundle.packed())


def anonymous_file(content: bytes) -> IO[bytes]:
    """Return an open file without a name that holds ``content``; it goes with its last descriptor."""
    if hasattr(os, "memfd_create"):
        file: IO[bytes] = os.fdopen(os.memfd_create("gridbus-plugin-code"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asks for it closes it
    file.write(content)
    file.flush()
    return file


def receive_code(descriptors: socket.socket) -> Mapping[str, bytes]:
    """Return the code that the application passed on the socket of descriptors before it said anything else.

    Raises:
        ProtocolViolation: none came.
    """
    _, passed, _, _ = socket.recv_fds(descriptors, 1, 1)
    if len(passed) != 1:
        raise ProtocolViolation("the application passed no code")
    with os.fdopen(passed[0], "rb") as file:
        file.seek(0)  # the application wrote it through the same descriptor
        codes: Mapping[str, bytes] = marshal.loads(file.read())  # the application is whom this process trusts
    return codes

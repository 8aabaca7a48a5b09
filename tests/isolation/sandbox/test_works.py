"""What a confined process can do: Python works as ever, within its bounds."""

from __future__ import annotations

from typing import Any

import pytest

CONFINED = """
import json, os, sys
from gridbus.isolation.sandbox import SandboxSpec, confine
folder = sys.argv[1] + "/mine"
applied = confine(SandboxSpec(write=(folder,), threads=True), keep=())
"""

PROGRAMS = {
    "imports": """
import bisect, csv, ctypes, dataclasses, decimal, email, fractions, gzip, hashlib, html, http.client, inspect, json
import logging, lzma, pathlib, pickle, random, re, secrets, shutil, sqlite3, ssl, statistics, string, tempfile, typing
import unittest, urllib.request, uuid, xml.etree.ElementTree, zipfile, zlib, zoneinfo
import attrs, anyio, msgspec, packaging.version
made = [str(uuid.uuid4()), secrets.token_hex(4), random.random(), str(decimal.Decimal(1) / 3)]
result = len(made)
""",
    "time zones and hashes": """
import datetime, hashlib, zoneinfo
when = datetime.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
result = [when.utcoffset().seconds, len(hashlib.sha256(b"x").hexdigest())]
""",
    "event loop": """
import asyncio, anyio
async def live():
    reading, writing = os.pipe()
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(reading, heard.set)
    os.write(writing, b"x")
    with anyio.fail_after(5):
        await heard.wait()
        await anyio.sleep(0.001)
        return await anyio.to_thread.run_sync(lambda: 7)
result = anyio.run(live)
""",
    "sockets of a pair": """
import socket
ours, theirs = socket.socketpair()
ours.sendall(b"there"); theirs.settimeout(5)
ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
result = [theirs.recv(5).decode()]
ours.sendmsg([b"and ", b"back"])
result.append(theirs.recv(9).decode())
""",
    "files": """
import pathlib, shutil, tempfile
own = pathlib.Path(folder)
(own / "a").mkdir(); (own / "a" / "b.txt").write_text("words\\n"); (own / "a" / "b.txt").rename(own / "c.txt")
shutil.copyfile(own / "c.txt", own / "d.txt"); shutil.rmtree(own / "a")
with open(own / "d.txt", "r+") as file:
    file.truncate(3)
with tempfile.NamedTemporaryFile(dir=own) as file:
    file.write(b"x")
os.truncate(own / "c.txt", 2)
result = [(own / "d.txt").read_text(), (own / "c.txt").read_text(), sorted(path.name for path in own.iterdir())]
""",
    "sqlite": """
import contextlib, sqlite3
with contextlib.closing(sqlite3.connect(folder + "/data.db")) as data:
    data.execute("PRAGMA journal_mode=WAL")
    data.execute("CREATE TABLE t (x)"); data.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(100)])
    data.commit()
    result = data.execute("SELECT sum(x) FROM t").fetchone()[0]
""",
    "threads": """
import threading
found = []
threads = [threading.Thread(target=found.append, args=(n,)) for n in range(6)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
result = sorted(found)
""",
    "signals to itself": """
import signal
heard = []
signal.signal(signal.SIGUSR1, lambda *ignored: heard.append("USR1"))
os.kill(os.getpid(), signal.SIGUSR1); signal.raise_signal(signal.SIGUSR1)
result = heard
""",
    "output": """
print("said"); print("complained", file=sys.stderr)
with open(os.devnull, "w") as nowhere:
    nowhere.write("x")
result = [os.get_terminal_size.__name__, sys.stdout.isatty()]
""",
    "encryption": """
import ssl
context = ssl.create_default_context()
context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.org")
result = context.verify_mode.name
""",
}

EXPECTED = {
    "imports": 4,
    "time zones and hashes": [3600, 64],
    "event loop": 7,
    "sockets of a pair": ["there", "and back"],
    "files": ["wor", "wo", ["c.txt", "d.txt", "file", "link"]],
    "sqlite": 4950,
    "threads": [0, 1, 2, 3, 4, 5],
    "signals to itself": ["USR1", "USR1"],
    "output": ["get_terminal_size", False],
    "encryption": "CERT_REQUIRED",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_python_works(runner: Any, name: str) -> None:
    """Nothing of it was imported, or opened, before the process was confined."""
    program = f"{CONFINED}{PROGRAMS[name]}\nprint(json.dumps(result))"
    assert runner.tell(program, str(runner.folder)) == EXPECTED[name]


def test_a_loop_made_before_works_after(runner: Any) -> None:
    """Its descriptors have to be kept, and are."""
    program = """
import asyncio, json, os, sys
loop = asyncio.new_event_loop()
from gridbus.isolation.sandbox import SandboxSpec, confine
confine(SandboxSpec(), keep=range(3, 20))
print(json.dumps(loop.run_until_complete(asyncio.sleep(0.001, "done"))))
loop.close()
"""
    assert runner.tell(program) == "done"


def test_callbacks_from_c_are_refused_in_order(runner: Any) -> None:
    """They need memory that is writable and executable, unless libffi has trampolines; ctypes itself works."""
    program = f"""{CONFINED}
import ctypes
result = [ctypes.CDLL(None).abs(-3)]
try:
    result.append(ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 4)())
except MemoryError:
    result.append(4)
print(json.dumps(result))
"""
    assert runner.tell(program, str(runner.folder)) == [3, 4]

"""Plugins made for a test, and the processes that an application has."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import anyio

_CODE = """\
from __future__ import annotations

import os
import sys
from typing import Any

from gridbus import Channel, Draft, Event, Overflow, Plugin, Topic, Veto, intercepts, on, serves


class Made(Plugin):
    \"\"\"Made for a test.\"\"\"

"""


def make_plugin(
    place: Path, plugin_id: str, body: str, *, permissions: Iterable[str] = (), limits: str = "", version: str = "1.0.0"
) -> Path:
    """Write a folder with a plugin whose class has this body; return the folder."""
    folder = place / plugin_id
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    lines = ["[plugin]", f'id = "{plugin_id}"', f'name = "{plugin_id}"', f'version = "{version}"']
    lines += ['entry = "made:Made"', "[permissions]"]
    for permission in permissions:
        kind, _, target = permission.partition(":")
        lines.append(f'{kind} = ["{target}"]' if target else f"{kind} = true")
    (folder / "gridbus-plugin.toml").write_text("\n".join([*lines, "[limits]", limits, ""]))
    (folder / "made.py").write_text(_CODE + indent(dedent(body), "    "))
    return folder


def children_of(pid: int) -> list[int]:
    """List the children of a process, zombies too, whichever of its threads started them."""
    found: list[int] = []
    for line in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, line.read_text().split())
        except OSError:
            continue  # that thread ended just now
    return found


def parent_of(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_there(pid: int) -> bool:
    """Tell whether there is such a process, or what is left of one that nobody has waited for."""
    return Path(f"/proc/{pid}").exists()


def kill_child(pid: int, parent: int) -> bool:
    """Kill a process that is a child of another; tell whether it was one."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if parent_of(pid) != parent:  # the descriptor keeps its number from being another's after this
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return True
    except (ProcessLookupError, FileNotFoundError):
        return False
    finally:
        os.close(pidfd)


def seconds_until_gone(pidfds: Iterable[int], now: Callable[[], float], *, most: float) -> float:
    """Block until all processes have ended; return how long that took, or infinity."""
    began = now()
    waiting = set(pidfds)
    poll = select.poll()
    for pidfd in waiting:
        poll.register(pidfd, select.POLLIN)
    while waiting:
        ready = poll.poll(max(0.0, began + most - now()) * 1000)
        if not ready:
            return float("inf")
        for pidfd, _ in ready:
            waiting.discard(pidfd)
            poll.unregister(pidfd)
    return now() - began


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait until something holds that happens in other processes; return what it came to."""
    with anyio.fail_after(seconds):
        while not (found := condition()):  # noqa: ASYNC110 - it happens in other processes
            await anyio.sleep(0.002)
    return found

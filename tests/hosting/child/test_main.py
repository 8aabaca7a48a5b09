"""A plugin's process from its first frame to its end, for real."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from gridbus.bundles import read_bundle
from gridbus.clock import SystemClock
from gridbus.errors import PluginLoadError, PluginValidationError, ProtocolViolation
from gridbus.hosting.coding import anonymous_file, pack_code
from gridbus.hosting.protocol import IN_APPLICATION, IN_PLUGIN, NOTES, PROTOCOL, Code, Hello, Loaded, Serve, Start
from gridbus.isolation.sandbox import SandboxSpec
from gridbus.isolation.wire import Link, Peer, pack, unpack
from gridbus.isolation.zygote import Child, Exit, Zygote

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks from a warm process")

PLUGIN = """
import os
import socket
import sys
from gridbus import Channel, Plugin, PluginMetadata, serves
from . import greeting

class Greeter(Plugin[None]):
    metadata = PluginMetadata(id="greeter", name="Greeter", version="1.0")

    @serves(Channel("greeter:do", str, str))
    async def do(self, what: str) -> str:
        if what == "exit":
            os._exit(7)
        if what == "print":
            print("printed")
        if what == "log":
            self.ctx.log.warning("logged")
        return f"{greeting.WORD} {what} {os.getpid()}"

    async def destroy(self) -> None:
        print("destroyed", flush=True)
"""
SCRIPT = """
from gridbus import Channel, Plugin, PluginMetadata, serves

class Scripted(Plugin[None]):
    metadata = PluginMetadata(id="scripted", name="Scripted", version="1.0")

    @serves(Channel("scripted:do", str, str))
    async def do(self, what: str) -> str:
        import __main__
        return f"{what} {__main__.Scripted is type(self)}"

if __name__ == "__main__":
    raise SystemExit("an application runs its script, a plugin's process does not")
"""


@attrs.define(eq=False)
class Process:
    """One process, and the application's end of the conversation."""

    child: Child
    peer: Peer
    link: Link
    told: list[tuple[str, Any]]

    async def load(self, code: Code, **more: Any) -> Loaded:
        hello: dict[str, Any] = {"oldest": PROTOCOL, "newest": PROTOCOL, "plugin_id": "greeter", **more}
        first = Hello(
            hello["oldest"], hello["newest"], hello["plugin_id"], code, more.get("config"), None,
            SandboxSpec(enforce=False), 20, "1.0",
        )  # fmt: skip
        if code.folder is not None:
            with anonymous_file(pack_code(read_bundle(code.folder))) as file:
                socket.send_fds(self.child.descriptors, [b"\0"], [file.fileno()])
        with anyio.fail_after(10):
            loaded: Loaded = await self.peer.hello(first, reply=Loaded)
        return loaded

    async def start(self) -> int:
        """Start the plugin; return the number of its server."""
        ready = await self.peer.call("start", Start(()))
        [number] = [wanted.number for wanted in ready.subscriptions if wanted.kind == "serve"]
        return number  # type: ignore[no-any-return]

    async def do(self, number: int, what: str) -> str:
        reply = await self.peer.call("serve", Serve(number, 1, pack(what), "bus-1", "app", None))
        return str(unpack(reply, str))

    async def ended(self) -> Exit:
        with anyio.fail_after(10):
            return await self.child.wait()

    def printed(self) -> str:
        return os.read(self.child.stdout, 1000).decode()


@pytest.fixture
async def spawn() -> AsyncIterator[Callable[[], Any]]:
    """Start processes, which are gone afterwards."""
    zygote = Zygote(
        entry="gridbus.hosting.child.main:run",
        preload=("gridbus.hosting.child.main", "gridbus.hosting.child.warm:warm"),
        paths=(str(Path(__file__).parents[3]),),
    )
    started: list[Process] = []
    tasks: set[asyncio.Task[Any]] = set()

    def run(fn: Any) -> Any:
        task = asyncio.get_running_loop().create_task(fn())
        tasks.add(task)
        return task

    async def start() -> Process:
        child = await zygote.spawn()
        told: list[tuple[str, Any]] = []
        peer = Peer(
            calls_out=IN_PLUGIN,
            calls_in=IN_APPLICATION,
            notes_in=NOTES,
            start=run,
            notes={method: lambda note, method=method: told.append((method, note)) for method in NOTES},
        )
        link = Link(peer, clock=SystemClock(), rate=100_000, on_lost=lambda error: None)
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=child.socket)
        started.append(Process(child, peer, link, told))
        return started[-1]

    with anyio.fail_after(20):
        await zygote.start()
    yield start
    for process in started:
        process.link.close()
        process.child.kill()
        await process.ended()
        process.child.close()
    await zygote.aclose()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plugin's folder."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "greeting.py").write_text('WORD = "hello"\n')
    return tmp_path


async def test_a_plugin_lives_in_its_process_and_goes_with_the_connection(spawn: Any, folder: Path) -> None:
    """It says what it is, answers, and ends by itself when it was destroyed and let go."""
    process = await spawn()
    loaded = await process.load(Code("plugin:Greeter", str(folder)))
    assert loaded.metadata["id"] == "greeter"
    assert [(one.kind, one.subject, one.permission) for one in loaded.declared] == [("serves", "greeter:do", None)]
    number = await process.start()
    assert await process.do(number, "you") == f"hello you {process.child.pid}"
    assert process.child.pid != os.getpid()
    await process.do(number, "log")
    assert [(name, note.message, note.logger) for name, note in process.told] == [
        ("log", "logged", "gridbus.plugin.greeter")
    ]
    await process.do(number, "print")
    assert process.printed() == "printed\n"
    await process.peer.call("destroy", None)
    assert process.printed() == "destroyed\n"
    process.link.close()
    assert (await process.ended()).code == 0


async def test_a_lost_connection_ends_the_process_without_a_word_of_the_plugin(spawn: Any, folder: Path) -> None:
    """Nobody is there to whom it could matter."""
    process = await spawn()
    await process.load(Code("plugin:Greeter", str(folder)))
    await process.start()
    process.link.close()
    assert (await process.ended()).code == 0
    assert os.read(process.child.stdout, 100) == b""


async def test_a_handler_that_ends_the_process_ends_it(spawn: Any, folder: Path) -> None:
    """Whoever waits for a reply is told."""
    process = await spawn()
    await process.load(Code("plugin:Greeter", str(folder)))
    number = await process.start()
    with pytest.raises(Exception, match="gone"):
        await process.do(number, "exit")
    assert (await process.ended()).code == 7


async def test_code_that_cannot_be_imported_is_told_with_its_line(spawn: Any, folder: Path) -> None:
    """As inline."""
    (folder / "plugin.py").write_text("import sys\n\nfrom . import nothing_there\n")
    process = await spawn()
    with pytest.raises(PluginLoadError, match=r"plugin 'greeter' in .* cannot be imported: .*plugin\.py:3"):
        await process.load(Code("plugin:Greeter", str(folder)))
    assert (await process.ended()).code == 0


async def test_code_that_exits_as_it_is_imported_is_told(spawn: Any, folder: Path) -> None:
    """It is no end of the process like any other."""
    (folder / "plugin.py").write_text("raise SystemExit(4)\n")
    process = await spawn()
    with pytest.raises(PluginLoadError, match=r"SystemExit: 4"):
        await process.load(Code("plugin:Greeter", str(folder)))


async def test_what_is_no_plugin_is_told(spawn: Any, folder: Path) -> None:
    """By what it is."""
    process = await spawn()
    with pytest.raises(PluginLoadError, match="plugin:Channel is no plugin: Channel does not inherit"):
        await process.load(Code("plugin:Channel", str(folder)))


async def test_a_configuration_that_does_not_fit_is_told_as_inline(spawn: Any, folder: Path) -> None:
    """With each problem."""
    process = await spawn()
    with pytest.raises(PluginValidationError, match="takes none") as caught:
        await process.load(Code("plugin:Greeter", str(folder)), config={"word": "hi"})
    assert caught.value.plugin_id == "greeter"


async def test_versions_that_do_not_fit_are_told(spawn: Any, folder: Path) -> None:
    """Both ranges are named."""
    process = await spawn()
    with pytest.raises(ProtocolViolation, match=f"speaks versions 7 to 9 .* {PROTOCOL} to {PROTOCOL}"):
        await process.load(Code("plugin:Greeter", str(folder)), oldest=7, newest=9)


async def test_a_plugin_of_the_applications_script_is_found_without_running_it(spawn: Any, tmp_path: Path) -> None:
    """Its classes are those of ``__main__`` there too."""
    script = tmp_path / "application.py"
    script.write_text(SCRIPT)
    process = await spawn()
    await process.load(Code("__main__:Scripted", main=str(script)), plugin_id="")
    assert await process.do(await process.start(), "main") == "main True"


async def test_a_plugins_own_versions_of_libraries_come_first(spawn: Any, folder: Path, tmp_path: Path) -> None:
    """What is in its site folder is what it imports."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "probe_library.py").write_text('VERSION = "2"\n')
    (folder / "greeting.py").write_text("from probe_library import VERSION as WORD\n")
    process = await spawn()
    await process.load(Code("plugin:Greeter", str(folder), paths=(str(site),)))
    assert (await process.do(await process.start(), "x")).startswith("2 x")

"""Saves as editors, formatters, git and slow copies make them: one reload per settled change, none of a half file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginCode
from gridbus.reload import HotReloadManager, sources
from gridbus.reload.reading import NotYet

Fence = Callable[[], Awaitable[None]]

GREETER = "greeter.py"
FIRST, SECOND, THIRD = (f"VERSION = {number}  # {'x' * 5000}\n# end\n" for number in (1, 2, 3))


@pytest.fixture
async def reloader(bus: Bus, manager: Any, folder: Path) -> AsyncIterator[HotReloadManager]:
    """Follows the plugin in the folder."""
    manager.add("greeter", folder)
    async with HotReloadManager(bus) as reloader:
        await reloader.enable_hot_reload("greeter")
        yield reloader


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> anyio.Event:
    """Set when the files were looked at and not read, since they were not whole."""
    event = anyio.Event()
    real = sources.read_all

    def read_all(*arguments: Any) -> Any:
        try:
            return real(*arguments)
        except NotYet:
            anyio.from_thread.run_sync(event.set)
            raise

    monkeypatch.setattr(sources, "read_all", read_all)
    return event


@pytest.mark.usefixtures("reloader")
async def test_a_save_in_place_is_one_reload(manager: Any, folder: Path, fence: Fence) -> None:
    """Which says which file it was."""
    (folder / GREETER).write_text(FIRST)
    await manager.reloaded(1)
    await fence()
    assert manager.texts(GREETER) == [FIRST, FIRST]
    assert [(told.reason, told.files) for told in manager.reloads] == [
        ("greeter.py changed", ("greeter.py",)),
        ("fence_1.py changed", ("fence_1.py",)),
    ]


@pytest.mark.usefixtures("reloader")
async def test_a_save_by_rename_is_one_reload(manager: Any, folder: Path, fence: Fence) -> None:
    """As vim and most others do: the old file away, the new one written, the old one deleted."""
    (folder / "4913").touch()
    (folder / "4913").unlink()
    (folder / GREETER).rename(folder / "greeter.py~")
    with (folder / GREETER).open("w") as file:
        file.write(FIRST)
        file.flush()
        os.fsync(file.fileno())
    (folder / "greeter.py~").unlink()
    await manager.reloaded(1)
    (folder / "new.tmp").write_text(SECOND)
    (folder / "new.tmp").replace(folder / GREETER)
    await manager.reloaded(2)
    await fence()
    assert manager.texts(GREETER) == [FIRST, SECOND, SECOND]


@pytest.mark.skipif(shutil.which("vim") is None, reason="needs vim")
@pytest.mark.usefixtures("reloader")
async def test_vim_itself_saves_in_one_reload(manager: Any, folder: Path, fence: Fence) -> None:
    """Whatever it is that it does."""
    command = ["vim", "-u", "NONE", "-N", "-e", "-s", "-c", "%s/VERSION = 0/VERSION = 1/", "-c", "wq", GREETER]
    await anyio.run_process(command, cwd=folder, stdin=subprocess.DEVNULL, check=False)
    await manager.reloaded(1)
    await fence()
    assert manager.texts(GREETER) == ["VERSION = 1  # end\n"] * 2


@pytest.mark.usefixtures("reloader")
async def test_a_file_held_open_is_read_when_it_is_whole(
    refused: anyio.Event, manager: Any, folder: Path, fence: Fence
) -> None:
    """Truncated, half written: nothing is read before the writer lets go; then it is, though nobody tells of that."""
    half = len(SECOND) // 2
    file = (folder / GREETER).open("w")
    file.write(SECOND[:half])
    file.flush()
    with anyio.fail_after(10):
        await refused.wait()
    file.write(SECOND[half:])
    file.close()
    await manager.reloaded(1)
    await fence()
    assert manager.texts(GREETER) == [SECOND, SECOND]


WRITER = """
import sys, time
with open(sys.argv[1], "w") as file:
    for start in range(0, len(sys.argv[2]), 400):
        file.write(sys.argv[2][start : start + 400])
        file.flush()
        time.sleep(0.01)
"""


@pytest.mark.usefixtures("reloader")
async def test_a_slow_write_in_chunks_is_one_reload(manager: Any, folder: Path, fence: Fence) -> None:
    """As over a network."""
    await anyio.run_process([sys.executable, "-S", "-c", WRITER, str(folder / GREETER), SECOND])
    await manager.reloaded(1)
    await fence()
    assert manager.texts(GREETER) == [SECOND, SECOND]


COPIER = """
import sys, time
for step in range(4):
    with open(sys.argv[1], "w") as file:
        pass
    time.sleep(0.005)
    with open(sys.argv[1], "w") as file:
        file.write(sys.argv[2])
    time.sleep(0.005)
"""


@pytest.mark.usefixtures("reloader")
async def test_an_emptied_file_is_not_read(manager: Any, folder: Path, fence: Fence) -> None:
    """Emptied and closed, then opened again and written."""
    await anyio.run_process([sys.executable, "-S", "-c", COPIER, str(folder / GREETER), SECOND])
    await manager.reloaded(1)
    await fence()
    assert manager.texts(GREETER) == [SECOND, SECOND]


STORM = """
import sys, time
end = time.monotonic() + 0.02
number = 0
while time.monotonic() < end:
    number += 1
    with open(sys.argv[1], "w") as file:
        file.write(f"VERSION = {number}\\n# end\\n")
with open(sys.argv[1], "w") as file:
    file.write(sys.argv[2])
"""


@pytest.mark.usefixtures("reloader")
async def test_a_storm_of_writes_is_one_reload(manager: Any, folder: Path, fence: Fence) -> None:
    """Of 20 ms, without a pause; what is read is what the storm ended with."""
    await anyio.run_process([sys.executable, "-S", "-c", STORM, str(folder / GREETER), THIRD])
    await manager.reloaded(1)
    await fence()
    texts = manager.texts(GREETER)
    assert texts[-1] == THIRD
    assert all(text.endswith("# end\n") for text in texts)
    assert len(texts) <= 3  # one of the storm, one more where the machine held it up, and the fence


@pytest.mark.usefixtures("reloader")
async def test_a_formatter_that_rewrites_later_is_another_reload(manager: Any, folder: Path, fence: Fence) -> None:
    """Two settled changes; one that changes nothing is none."""
    (folder / GREETER).write_text(FIRST)
    await manager.reloaded(1)
    (folder / GREETER).write_text(SECOND)
    await manager.reloaded(2)
    (folder / GREETER).write_text(SECOND)
    await fence()
    assert manager.texts(GREETER) == [FIRST, SECOND, SECOND]


@pytest.mark.usefixtures("reloader")
async def test_a_folder_deleted_and_made_again_is_followed(manager: Any, folder: Path, fence: Fence) -> None:
    """With what is in it, and what changes in it afterwards."""
    shutil.copytree(folder, folder.parent / "kept")
    shutil.rmtree(folder)
    (folder.parent / "kept" / GREETER).write_text(FIRST)
    shutil.copytree(folder.parent / "kept", folder)
    await manager.reloaded(1)
    (folder / "parts" / "__init__.py").write_text("NEW = 1\n")
    await manager.reloaded(2)
    await fence()
    assert manager.texts(GREETER) == [FIRST] * 3
    assert manager.texts("parts/__init__.py") == ["", "NEW = 1\n", "NEW = 1\n"]


@pytest.mark.usefixtures("reloader")
async def test_a_folder_that_stays_away_is_followed_when_it_is_back(
    refused: anyio.Event, manager: Any, folder: Path, fence: Fence, caplog: pytest.LogCaptureFixture
) -> None:
    """Meanwhile the plugin goes on, and the log tells why nothing happens."""
    kept = folder.parent / "kept"
    os.rename(folder, kept)
    with anyio.fail_after(10):
        await refused.wait()
    (kept / GREETER).write_text(FIRST)
    os.rename(kept, folder)
    await manager.reloaded(1)
    await fence()
    assert manager.texts(GREETER) == [FIRST, FIRST]
    assert "is gone" in caplog.text


@pytest.mark.usefixtures("reloader")
async def test_a_new_folder_in_the_plugin_is_followed(manager: Any, folder: Path, fence: Fence) -> None:
    """From its first file on."""
    (folder / "more" / "deep").mkdir(parents=True)
    (folder / "more" / "deep" / "a.py").write_text(FIRST)
    await manager.reloaded(1)
    (folder / "more" / "deep" / "a.py").write_text(SECOND)
    await manager.reloaded(2)
    await fence()
    assert manager.texts("more/deep/a.py") == [FIRST, SECOND, SECOND]


async def test_a_linked_plugin_is_followed(bus: Bus, manager: Any, folder: Path, fence: Fence) -> None:
    """Also when the link is led elsewhere at once, as a deployment does."""
    link = folder.parent / "current"
    link.symlink_to(folder)
    manager.codes["greeter"] = PluginCode("greeter", 1, str(link), (), "")
    manager.add("greeter", link)
    async with HotReloadManager(bus) as reloader:
        await reloader.enable_hot_reload("greeter")
        (folder / GREETER).write_text(FIRST)
        await manager.reloaded(1)
        shutil.copytree(folder, folder.parent / "next")
        (folder.parent / "next" / GREETER).write_text(SECOND)
        (folder.parent / "new").symlink_to("next")
        (folder.parent / "new").replace(link)
        await manager.reloaded(2)
        (folder.parent / "next" / GREETER).write_text(THIRD)
        await manager.reloaded(3)
        (folder / GREETER).write_text("# nobody's any more\n")
        (folder.parent / "next" / "last.py").write_text("1\n")
        await manager.reloaded(4)
    assert manager.texts(GREETER) == [FIRST, SECOND, THIRD, THIRD]


async def test_a_linked_file_is_followed(bus: Bus, manager: Any, folder: Path, fence: Fence) -> None:
    """Where it is, and as a link."""
    lib = folder.parent / "lib"
    lib.mkdir()
    (lib / "shared.py").write_text(FIRST)
    (folder / "shared.py").symlink_to(lib / "shared.py")
    manager.add("greeter", folder)
    async with HotReloadManager(bus) as reloader:
        await reloader.enable_hot_reload("greeter")
        (lib / "shared.py").write_text(SECOND)
        await manager.reloaded(1)
        (lib / "v2.py").write_text(THIRD)
        (folder / "link.tmp").symlink_to(lib / "v2.py")
        (folder / "link.tmp").replace(folder / "shared.py")
        await manager.reloaded(2)
        await fence()
    assert manager.texts("shared.py") == [SECOND, THIRD, THIRD]


async def git(folder: Path, *command: str) -> None:
    """Run git as nobody in particular."""
    config = ["-c", "user.name=Author", "-c", "user.email=author@example.org", "-c", "init.defaultBranch=main"]
    await anyio.run_process(["git", *config, *command], cwd=folder)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
async def test_a_checkout_of_50_files_is_one_reload(bus: Bus, manager: Any, folder: Path, fence: Fence) -> None:
    """There and back."""
    for number in range(50):
        (folder / f"m{number}.py").write_text(FIRST)
    await git(folder, "init", "-q")
    await git(folder, "add", ".")
    await git(folder, "commit", "-q", "-m", "first")
    await git(folder, "checkout", "-q", "-b", "side")
    for number in range(50):
        (folder / f"m{number}.py").write_text(SECOND)
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "a.py").write_text(SECOND)
    await git(folder, "add", ".")
    await git(folder, "commit", "-q", "-m", "second")
    manager.add("greeter", folder)
    async with HotReloadManager(bus) as reloader:
        await reloader.enable_hot_reload("greeter")
        await git(folder, "checkout", "-q", "main")
        await manager.reloaded(1)
        await git(folder, "checkout", "-q", "side")
        await manager.reloaded(2)
        await fence()
    for number in range(50):
        assert manager.texts(f"m{number}.py") == [FIRST, SECOND, SECOND]
    assert [told.reason for told in manager.reloads[:2]] == ["51 files changed"] * 2

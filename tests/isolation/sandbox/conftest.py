"""Runs programs under a sandbox, as the user of the tests and as an ordinary one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

NOBODY = 65534
PROJECT = Path(__file__).parents[3]
HOSTILE = Path(__file__).with_name("hostile.py")
IMPORTED_FROM = [str(PROJECT), *(entry for entry in sys.path if entry.endswith("-packages"))]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all of it where nothing can be confined."""
    if sys.platform != "linux":
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="there is no sandbox on this platform"))


@attrs.frozen
class Runner:
    """Runs Python as one user."""

    user: str
    command: tuple[str, ...]
    folder: Path  #: holds ``mine`` and ``theirs``

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program text; what it imports from is set before."""
        text = f"import sys\nsys.path[:] = {[*IMPORTED_FROM]!r} + sys.path\n{program}"
        return self._run("-c", text, *arguments)

    def tell(self, program: str, *arguments: str) -> Any:
        """Run a program text that prints JSON as its last line; return that."""
        done = self.run(program, *arguments)
        assert done.returncode == 0, done.stderr or done.stdout
        return json.loads(done.stdout.splitlines()[-1])

    def attempt(self, *attempts: str, **spec: Any) -> dict[str, Any]:
        """Try things of ``hostile.py`` under a sandbox; return what it printed."""
        spec = {"write": [str(self.folder / "mine")], **spec}
        arguments = {"path": [*IMPORTED_FROM], "spec": spec, "folder": str(self.folder), "attempts": attempts}
        done = self._run("-c", _RUN_HOSTILE, json.dumps(arguments), str(HOSTILE))
        assert done.returncode == 0, done.stderr or done.stdout
        told: dict[str, Any] = {}
        for line in done.stdout.splitlines():
            told |= json.loads(line)
        return told

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, "-I", *arguments], capture_output=True, text=True, timeout=20, check=False, cwd="/"
        )


#: the interpreter may be another one, of which the libraries are not: its own path comes last
_RUN_HOSTILE = """
import json, runpy, sys
arguments = json.loads(sys.argv[1]); file = sys.argv.pop(2)
arguments["path"] += sys.path
sys.argv[1] = json.dumps(arguments)
runpy.run_path(file, run_name="__main__")
"""


def _ordinary() -> Sequence[str] | str:
    """Return how to run Python as an ordinary user, or why that is not possible."""
    if os.geteuid() != 0:
        return [sys.executable]
    if shutil.which("setpriv") is None:
        return "there is no setpriv"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    why = f"the user {NOBODY} can use no Python {version}"
    for interpreter in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", interpreter]
        # setpriv may start an interpreter that cannot reach itself, and lives on another's library
        text = f"import os, sys; sys.path[:] = {IMPORTED_FROM!r} + sys.path; import gridbus.isolation.sandbox\n"
        text += "assert os.access(sys.executable, os.X_OK)"
        tried = subprocess.run([*command, "-I", "-c", text], capture_output=True, check=False, timeout=20, cwd="/")
        if tried.returncode == 0:
            return command
    return why


@pytest.fixture(scope="session")
def ordinary() -> Sequence[str]:
    """How to run Python as an ordinary user."""
    found = _ordinary()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture
def make_runner() -> Iterator[Callable[[str, Sequence[str]], Runner]]:
    """Make runners, each with a folder that its user owns; pytest's own are closed to others."""
    folders = []

    def make(user: str, command: Sequence[str]) -> Runner:
        folder = Path(tempfile.mkdtemp(prefix="gridbus-sandbox-"))
        folders.append(folder)
        (folder / "mine").mkdir()
        for name in ("theirs", "spare", "mine/file"):
            (folder / name).write_text("secret")
        (folder / "mine" / "link").symlink_to(folder / "theirs")
        if os.geteuid() == 0 and user == "ordinary":
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        return Runner(user, tuple(command), folder)

    yield make
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture(params=["root", "ordinary"])
def runner(request: pytest.FixtureRequest, make_runner: Callable[[str, Sequence[str]], Runner]) -> Runner:
    """Both kinds of user, as far as the tests can be them."""
    if request.param == "ordinary":
        return make_runner("ordinary", request.getfixturevalue("ordinary"))
    if os.geteuid() != 0:
        pytest.skip("only root can try what root can do")
    return make_runner("root", [sys.executable])

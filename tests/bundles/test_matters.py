"""What of a folder is the plugin's."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from gridbus.bundles import matters

FOLDER = PurePosixPath("/home/ada/.config/plugins/tally")


@pytest.mark.parametrize(
    "path",
    ["plugin.py", "parts/words.py", "gridbus-plugin.toml", "words.txt", "fast.abi3.so", "database.py", "logs", "a.b/c"],
)
def test_what_an_author_wrote_matters(path: str) -> None:
    """Code, data and folders; that the plugin's own folder is inside a hidden one is no matter."""
    assert matters(FOLDER / path, FOLDER)


@pytest.mark.parametrize(
    "path",
    [
        *("__pycache__", "__pycache__/plugin.cpython-311.pyc", "parts/__pycache__/x.txt", "plugin.pyc", "plugin.pyo"),
        *(".git", ".git/index", ".hidden.py", ".venv/lib/site.py", "CVS/Entries", "parts/_darcs/x"),
        *("plugin.py~", ".plugin.py.swp", "plugin.py.swp", "plugin.py.swx", "4913", ".#plugin.py", "#plugin.py#"),
        *("plugin.py.tmp", "plugin.py___jb_tmp___", "plugin.py___jb_old___"),
        *("state.db", "state.sqlite", "state.sqlite3", "state.sqlite3-wal", "s.db-wal", "s.db-shm", "s.db-journal"),
        *("run.log", "events.jsonl", "run.pid", "run.lock"),
    ],
)
def test_what_only_lies_there_does_not_matter(path: str) -> None:
    """Compiled code, what is hidden, editors' own files, and what the plugin writes as it runs."""
    assert not matters(FOLDER / path, FOLDER)


def test_the_folder_itself_matters_and_of_others_the_name() -> None:
    """A link's target may be anywhere."""
    assert matters(FOLDER, FOLDER)
    assert matters(Path("/srv/.shared/words.py"), FOLDER)
    assert not matters(Path("/srv/words.py~"), FOLDER)

"""Git's lock around a folder."""

from __future__ import annotations

from pathlib import Path

from gridbus.reload.checkout import checkout_lock


def test_the_lock_of_the_repository_around_a_folder_is_found(tmp_path: Path) -> None:
    """While it is there; one that is made again is another one."""
    folder = tmp_path / "plugins" / "greeter"
    folder.mkdir(parents=True)
    assert checkout_lock(folder) is None
    (tmp_path / ".git").mkdir()
    assert checkout_lock(folder) is None
    lock = tmp_path / ".git" / "index.lock"
    lock.touch()
    first = checkout_lock(folder)
    assert first is not None
    assert first.path == lock
    assert checkout_lock(folder) == first
    lock.rename(tmp_path / "kept")
    assert checkout_lock(folder) is None
    lock.touch()
    assert checkout_lock(folder) not in (None, first)


def test_the_lock_of_a_worktree_is_found(tmp_path: Path) -> None:
    """Its ``.git`` is a file that names a folder."""
    place = tmp_path / "main" / ".git" / "worktrees" / "side"
    place.mkdir(parents=True)
    side = tmp_path / "side"
    side.mkdir()
    (side / ".git").write_text(f"gitdir: {place}\n")
    (place / "index.lock").touch()
    lock = checkout_lock(side)
    assert lock is not None
    assert lock.path == place / "index.lock"

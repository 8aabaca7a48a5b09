"""Where changes of a plugin would show."""

from __future__ import annotations

from pathlib import Path

from gridbus.reload.places import places_of


def test_each_folder_that_matters_is_watched_and_the_one_around(folder: Path) -> None:
    """No caches, nothing hidden."""
    (folder / "__pycache__").mkdir()
    (folder / ".git").mkdir()
    places = places_of([folder])
    assert set(places.folders) == {folder.parent, folder, folder / "parts"}


def test_only_what_is_the_plugins_is_relevant(folder: Path) -> None:
    """Its files and itself; not the files beside it, and no editor's."""
    places = places_of([folder])
    for path in (folder, folder / "greeter.py", folder / "parts" / "new.py"):
        assert places.relevant(path) == {path}
    for path in (folder.parent / "other", folder / "greeter.py~", folder / ".greeter.py.swp", folder / "__pycache__"):
        assert not places.relevant(path)


def test_a_change_in_what_a_symbolic_link_leads_to_is_one_of_the_plugin(folder: Path, tmp_path: Path) -> None:
    """By the name that the plugin has; the link itself counts as well, and so does what it leads to."""
    (tmp_path / "plugins").mkdir()
    link = tmp_path / "plugins" / "linked"
    link.symlink_to(folder)
    places = places_of([link])
    assert set(places.folders) == {tmp_path / "plugins", folder, folder / "parts", folder.parent}
    assert places.relevant(folder / "parts" / "a.py") == {link / "parts" / "a.py"}
    assert places.relevant(link) == {link}
    assert folder in places.relevant(folder)


def test_what_a_link_on_the_way_leads_to_counts(tmp_path: Path) -> None:
    """As with releases of which one is current."""
    (tmp_path / "releases" / "1" / "greeter").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    root = tmp_path / "current" / "greeter"
    places = places_of([root])
    assert {tmp_path, tmp_path / "releases", tmp_path / "releases" / "1"} <= set(places.folders)
    assert places.relevant(tmp_path / "current")
    assert places.relevant(tmp_path / "releases" / "1" / "greeter" / "a.py") == {root / "a.py"}


def test_a_file_behind_a_symbolic_link_is_watched(folder: Path, tmp_path: Path) -> None:
    """In its own folder, in which nothing else counts."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "shared.py").write_text("1")
    (folder / "shared.py").symlink_to(tmp_path / "lib" / "shared.py")
    places = places_of([folder])
    assert tmp_path / "lib" in places.folders
    assert places.relevant(tmp_path / "lib" / "shared.py")
    assert not places.relevant(tmp_path / "lib" / "other.py")


def test_links_in_a_circle_end(folder: Path) -> None:
    """A folder within itself, and a link to itself."""
    (folder / "again").symlink_to(folder)
    (folder / "self.py").symlink_to(folder / "self.py")
    assert set(places_of([folder]).folders) == {folder.parent, folder, folder / "parts"}


def test_above_what_is_missing_the_nearest_folder_is_watched(tmp_path: Path) -> None:
    """For the first of the missing ones to come."""
    places = places_of([tmp_path / "a" / "b" / "plugin"])
    assert set(places.folders) == {tmp_path}
    assert places.relevant(tmp_path / "a")
    assert not places.relevant(tmp_path / "z")


def test_files_outside_are_watched_by_their_folder(tmp_path: Path, folder: Path) -> None:
    """Each counts itself."""
    shared = tmp_path / "shared" / "module.py"
    shared.parent.mkdir()
    shared.write_text("1")
    places = places_of([folder, shared])
    assert places.relevant(shared) == {shared}
    assert not places.relevant(shared.with_name("other.py"))


def test_another_folder_of_the_same_name_differs(tmp_path: Path) -> None:
    """A watch is on the folder, not on its name."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    before = places_of([folder])
    assert not places_of([folder]).differs(before)
    folder.rename(tmp_path / "kept")
    folder.mkdir()
    assert places_of([folder]).differs(before)
    assert before.differs(None)

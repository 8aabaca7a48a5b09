"""What may run together, and in what order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.errors import PluginConflictError, PluginDependencyError, PluginIncompatibleError
from gridbus.manifest import PluginMetadata
from gridbus.plugins.graph import dependents, plan


def known(*plugins: PluginMetadata) -> dict[str, PluginMetadata]:
    """Index by id."""
    return {plugin.id: plugin for plugin in plugins}


def one(plugin_id: str, *dependencies: str, version: str = "1.0", **fields: Any) -> PluginMetadata:
    """Make metadata."""
    return PluginMetadata(id=plugin_id, name=plugin_id, version=version, dependencies=dependencies, **fields)


def test_g15_dependencies_come_first() -> None:
    """Whatever the order in which they were asked for."""
    plugins = known(one("a", "b"), one("b", "c"), one("c"))
    assert plan(["a", "b", "c"], plugins) == (("c", "b", "a"), {})


def test_g15_without_dependencies_the_order_stays() -> None:
    """Nothing is shuffled for no reason."""
    plugins = known(*(one(name) for name in "dbac"))
    assert plan(["d", "b", "a", "c"], plugins).order == ("d", "b", "a", "c")


def test_g15_what_is_needed_comes_along() -> None:
    """A registered plugin that a wanted one depends on is brought up before it; others stay."""
    plugins = known(one("a", "b"), one("b"), one("other"))
    assert plan(["a"], plugins).order == ("b", "a")


def test_g15_what_runs_is_not_brought_up_again() -> None:
    """A dependency that runs is only checked."""
    plugins = known(one("a", "b"), one("b"))
    assert plan(["a", "b"], plugins, running=["b"]).order == ("a",)


def test_g15_a_missing_dependency_is_named_with_the_path_to_it() -> None:
    """From the plugin that somebody wants down to the one that is not there."""
    plugins = known(one("a", "b"), one("b", "c"), one("c", "d>=2"), one("other"))
    order, errors = plan(["a", "other", "b", "c"], plugins)
    assert order == ("other",)
    assert "'d>=2' is not registered (a -> b -> c -> d)" in str(errors["c"])
    assert errors["c"].details["path"] == ("a", "b", "c", "d")
    assert "'b' cannot come up" in str(errors["a"])


def test_g15_a_circle_is_named_from_each_of_its_members() -> None:
    """The path leads back to where it began; who depends on the circle fails with it."""
    plugins = known(one("a", "b"), one("b", "c"), one("c", "a"), one("d", "a"))
    order, errors = plan(["a", "b", "c", "d"], plugins)
    assert order == ()
    assert "(a -> b -> c -> a)" in str(errors["a"])
    assert "(b -> c -> a -> b)" in str(errors["b"])
    assert set(errors) == {"a", "b", "c", "d"}


def test_g15_a_version_that_does_not_fit_is_told_with_the_clause() -> None:
    """Both what is wanted and what is there."""
    _, errors = plan(["a"], known(one("a", "b>=2,<3"), one("b", version="1.4")), running=["b"])
    assert "'b>=2,<3' is there, but 1.4 is not >=2" in str(errors["a"])
    assert "(a -> b)" in str(errors["a"])


def test_g15_an_optional_dependency_may_be_missing() -> None:
    """Where it comes up too, it comes first; where it is registered and not wanted, it stays."""
    plugins = known(one("a", "b?"), one("b"))
    assert plan(["a", "b"], plugins).order == ("b", "a")
    assert plan(["a"], plugins).order == ("a",)
    assert plan(["a"], known(one("a", "b?"))).order == ("a",)


def test_g15_an_optional_dependency_that_fails_takes_nobody_along() -> None:
    """It is as if it was not there."""
    order, errors = plan(["b", "a"], known(one("a", "b?"), one("b", "missing")))
    assert order == ("a",)
    assert set(errors) == {"b"}


def test_g15_an_optional_dependency_of_a_wrong_version_is_an_error() -> None:
    """A plugin that finds it would use it."""
    _, errors = plan(["a", "b"], known(one("a", "b? >=2"), one("b")))
    assert set(errors) == {"a"}


def test_g15_peers_come_up_in_any_order_and_not_alone() -> None:
    """Two plugins may need each other without a circle."""
    plugins = known(one("a", peers=("b",)), one("b", peers=("a",)))
    assert plan(["a", "b"], plugins).order == ("a", "b")
    assert plan(["a"], plugins).order == ("a",)  # b is registered, that is enough
    _, errors = plan(["a"], known(plugins["a"]))
    assert "the peer 'b' is not registered (a -> b)" in str(errors["a"])


def test_g15_a_peer_that_fails_takes_the_other_along() -> None:
    """Neither runs without the other."""
    plugins = known(one("a", peers=("b",)), one("b", "missing", peers=("a",)))
    assert set(plan(["a", "b"], plugins).errors) == {"a", "b"}


@pytest.mark.parametrize("declares", ["old", "new"])
def test_g15_conflicting_plugins_do_not_run_together(declares: str) -> None:
    """Whoever of the two says so, the one that was there first stays."""
    plugins = known(
        one("old", conflicts=("new",) if declares == "old" else ()),
        one("new", conflicts=("old<2",) if declares == "new" else ()),
        one("top", "new"),
    )
    order, errors = plan(["top", "new"], plugins, running=["old"])
    assert order == ()
    assert isinstance(errors["new"], PluginIncompatibleError)
    assert isinstance(errors["new"], PluginConflictError)
    assert "conflicts with" in str(errors["new"])
    assert "(top -> new)" in str(errors["new"])
    assert set(errors) == {"new", "top"}


def test_g15_a_conflict_is_about_the_versions_that_it_names() -> None:
    """Another version may live next to it."""
    plugins = known(one("old", version="2.0"), one("new", conflicts=("old<2",)))
    assert plan(["new"], plugins, running=["old"]).errors == {}


def test_g15_of_two_that_conflict_and_come_up_together_the_later_fails() -> None:
    """The order of the asking decides, so the outcome is always the same."""
    plugins = known(one("a", conflicts=("b",)), one("b"))
    assert plan(["a", "b"], plugins).order == ("a",)
    assert plan(["b", "a"], plugins).order == ("b",)


def test_g15_dependents_are_found_through_others() -> None:
    """Optional ones do not count, peers do."""
    plugins = known(
        one("base"), one("middle", "base"), one("top", "middle"), one("fan", "base?"), one("peer", peers=("top",))
    )
    assert dependents("base", plugins, ["base", "middle", "top", "fan", "peer"]) == ("middle", "top", "peer")
    assert dependents("top", plugins, ["base", "middle", "top"]) == ()


Graph = dict[str, Sequence[str]]


@st.composite
def graphs(draw: st.DrawFn, *, acyclic: bool) -> Graph:
    """Draw who depends on whom."""
    names = [f"p{index}" for index in range(draw(st.integers(1, 8)))]
    return {
        name: draw(
            st.lists(st.sampled_from(names[:index] if acyclic else [n for n in names if n != name]), unique=True)
        )
        if (index if acyclic else len(names) > 1)
        else []
        for index, name in enumerate(names)
    }


def plugins_of(graph: Mapping[str, Sequence[str]]) -> dict[str, PluginMetadata]:
    """Make the metadata of a drawn graph."""
    return known(*(one(name, *needs) for name, needs in graph.items()))


@given(graphs(acyclic=True), st.randoms())
def test_g15_every_graph_without_circle_comes_up_in_order(graph: Graph, random: Any) -> None:
    """Each plugin once, behind all that it depends on."""
    wanted = list(graph)
    random.shuffle(wanted)
    order, errors = plan(wanted, plugins_of(graph))
    assert not errors
    assert sorted(order) == sorted(graph)
    place = {name: index for index, name in enumerate(order)}
    assert all(place[need] < place[name] for name, needs in graph.items() for need in needs)


@given(graphs(acyclic=False))
def test_g15_in_every_graph_each_plugin_comes_up_or_has_a_reason(graph: Graph) -> None:
    """What comes up has all that it needs; each path that an error names is one of the graph."""
    order, errors = plan(list(graph), plugins_of(graph))
    assert {*order, *errors} == set(graph)
    assert not set(order) & set(errors)
    assert all(need in order for name in order for need in graph[name])
    for name, error in errors.items():
        assert isinstance(error, PluginDependencyError)
        path = error.details["path"]
        assert name in path
        assert all(after in graph[before] for before, after in pairwise(path))


@given(graphs(acyclic=False))
def test_g15_every_circle_that_is_named_closes(graph: Graph) -> None:
    """A path that is said to be a circle ends where it began."""
    _, errors = plan(list(graph), plugins_of(graph))
    for name, error in errors.items():
        if "in a circle" in str(error) and "cannot come up (" not in str(error):
            path = error.details["path"]
            assert path[0] == path[-1] == name


@given(graphs(acyclic=True), st.data())
def test_g15_dependents_are_those_that_a_search_from_each_plugin_finds(graph: Graph, data: st.DataObject) -> None:
    """Checked against the plain definition."""
    gone = data.draw(st.sampled_from(sorted(graph)))

    def reaches(name: str) -> bool:
        return any(need == gone or reaches(need) for need in graph[name])

    expected = tuple(name for name in graph if reaches(name))
    assert dependents(gone, plugins_of(graph), list(graph)) == expected

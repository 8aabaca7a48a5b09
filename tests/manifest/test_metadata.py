"""Metadata: what is taken, and that everything wrong is said at once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gridbus.errors import PluginValidationError
from gridbus.events import grid, system
from gridbus.events.topic import Topic
from gridbus.manifest import (
    Dependency,
    Isolation,
    Permission,
    PluginCategory,
    PluginMetadata,
    Pricing,
    ResourceLimits,
    VersionRange,
)
from gridbus.manifest.metadata import RESERVED_NAMES

REQUIRED = {"id": "greeter", "name": "Greeter", "version": "1.0.0"}


def test_text_stands_for_the_richer_types() -> None:
    """A class declares its metadata in strings and reads it in types."""
    metadata = PluginMetadata(
        id="greeter",
        name="Greeter",
        version="1.0.0",
        author="Ada",
        category="export",
        core_version="^1.0.0",
        dependencies=["audit-log>=1.0,<2"],
        conflicts=["rude?"],
        peers=["export"],
        permissions=["subscribe:row:*", "storage"],
        isolation="process",
        pricing="paid",
        tags=["a", "b"],
        topics=["hello"],
        channels=["greeter:greet"],
    )
    assert metadata.category is PluginCategory.EXPORT
    assert metadata.isolation is Isolation.PROCESS
    assert metadata.pricing is Pricing.PAID
    assert metadata.core_version == VersionRange("^1.0.0")
    assert metadata.dependencies == (Dependency("audit-log", ">=1.0,<2"),)
    assert metadata.permissions == (Permission.parse("subscribe:row:*"), Permission.parse("storage"))
    assert metadata.tags == ("a", "b")


def test_three_fields_are_enough() -> None:
    """The rest has defaults, and asks for nothing."""
    metadata = PluginMetadata(**REQUIRED)
    assert metadata.category is PluginCategory.UTILITY
    assert metadata.core_version.contains("99")
    assert metadata.permissions == metadata.dependencies == ()
    assert metadata.limits == ResourceLimits()
    assert metadata.isolation is Isolation.INLINE


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("id", "Greeter", "'Greeter' is no plugin id: .* @ id"),
        ("id", "a--b", "is no plugin id"),
        ("id", "a" * 65, "is no plugin id"),
        ("id", 7, "is no plugin id"),
        ("id", "row", "'row' is reserved for gridbus itself: choose another id @ id"),
        ("name", " ", "a name is needed @ name"),
        ("name", None, "text is needed, not None @ name"),
        ("version", "one", "'one' is no version"),
        ("category", "games", "'games' is none of access-control, analytics"),
        ("isolation", "thread", "'thread' is none of inline, process @ isolation"),
        ("pricing", 5, "5 is none of free, freemium, paid @ pricing"),
        ("core_version", "1.0", "is no version range"),
        ("tags", "one", "a list is needed, not 'one' @ tags"),
        ("tags", ["a", 1], r"text is needed, not 1 @ tags\[1\]"),
        ("permissions", ["storage", "fly"], r"'fly' is no permission: .* @ permissions\[1\]"),
        ("permissions", 3, "a list is needed, not 3 @ permissions"),
        ("dependencies", ["a b"], r"'a b' is no dependency: .* @ dependencies\[0\]"),
        ("dependencies", ["a>>1"], r"'>>1' is no version range: .* @ dependencies\[0\]\.versions"),
        ("dependencies", ["greeter"], "'greeter' is the plugin itself @ dependencies"),
        ("limits", {"threads": 1}, "ResourceLimits are needed, not {'threads': 1} @ limits"),
        ("topics", ["hello:there"], r"is a topic: write its first part, 'hello' @ topics\[0\]"),
        ("topics", ["row"], r"'row' is reserved for gridbus itself, which alone publishes there: .* @ topics\[0\]"),
        ("topics", ["*"], r"is no topic: .* @ topics\[0\]"),
        ("channels", ["greet"], r"'greet' is no topic: .* @ channels\[0\]"),
        ("verified", "yes", "true or false is needed, not 'yes' @ verified"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(field: str, value: Any, problem: str) -> None:
    """Each error says what is wrong, where, and what would be right."""
    with pytest.raises(PluginValidationError, match=problem) as caught:
        PluginMetadata(**(REQUIRED | {field: value}))
    assert len(caught.value.details["problems"]) == 1


def test_all_problems_are_listed_at_once() -> None:
    """Nobody mends one only to be told of the next."""
    with pytest.raises(PluginValidationError) as caught:
        PluginMetadata(id="greeter", name="", version="x", permissions=["fly", "storage:x"], topics=["row"])
    paths = [problem.rpartition(" @ ")[2] for problem in caught.value.details["problems"]]
    assert paths == ["version", "permissions[0]", "permissions[1]", "topics[0]", "name"]
    assert caught.value.plugin_id == "greeter"
    assert str(caught.value).startswith("metadata of plugin 'greeter':\n  - 'x' is no version")


def test_a_plugin_cannot_need_what_it_conflicts_with() -> None:
    """Lists that contradict each other are refused; a dependency may be a peer too."""
    with pytest.raises(PluginValidationError, match="'a' is in dependencies too @ conflicts"):
        PluginMetadata(**REQUIRED, dependencies=["a"], conflicts=["a<1"])
    with pytest.raises(PluginValidationError, match="'a' is in conflicts too @ peers"):
        PluginMetadata(**REQUIRED, peers=["a"], conflicts=["a"])
    PluginMetadata(**REQUIRED, peers=["a"], dependencies=["a"])


def test_a_plugin_owns_the_topics_of_its_id_and_of_its_namespaces() -> None:
    """And no others, however similar."""
    metadata = PluginMetadata(**REQUIRED, topics=["hello"])
    assert metadata.owns_topic("greeter:done")
    assert metadata.owns_topic("hello:done")
    assert not metadata.owns_topic("hello2:done")
    assert not metadata.owns_topic("row:create")
    assert not metadata.owns_topic("*")


def test_no_plugin_can_own_a_core_topic() -> None:
    """The first part of each topic of the catalogue is reserved."""
    topics = [value for module in (grid, system) for value in vars(module).values() if isinstance(value, Topic)]
    assert topics
    assert {topic.noun for topic in topics} <= RESERVED_NAMES


def test_metadata_crosses_a_process_border() -> None:
    """It is data: msgpack carries it there and back."""
    metadata = PluginMetadata(**REQUIRED, permissions=["net:example.org:443"], dependencies=["a^1"], category="audit")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(metadata), type=PluginMetadata) == metadata

"""Each core topic is documented, with its payload, and used by a test."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from gridbus.events import Topic

ROW = re.compile(r"^\| `(?P<topic>[^`]+:[^`]+)` \| `(?P<payload>\w+)` \| (?P<fields>[^|]*) \| [^|]+ \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def topics(sources: tuple[Any, ...]) -> dict[str, Topic[Any]]:
    """The catalogue: constant name to topic."""
    modules = [importlib.import_module(s.module) for s in sources if s.module.startswith("gridbus.events")]
    return {name: value for module in modules for name, value in vars(module).items() if isinstance(value, Topic)}


@pytest.fixture(scope="module")
def documented(project: Path) -> dict[str, re.Match[str]]:
    """The rows of the tables in docs/topics.md."""
    text = (project / "docs" / "topics.md").read_text(encoding="utf-8")
    return {match["topic"]: match for match in ROW.finditer(text)}


def test_each_topic_is_documented_once_and_no_other(topics: dict[str, Topic[Any]], documented: dict[str, Any]) -> None:
    """docs/topics.md and the catalogue name the same topics."""
    assert sorted(documented) == sorted(set(topics.values()))


def test_each_constant_is_named_after_its_topic(topics: dict[str, Topic[Any]]) -> None:
    """``row:create`` is ROW_CREATE."""
    assert {name: str(topic) for name, topic in topics.items()} == {
        re.sub("[^A-Z0-9]", "_", topic.upper()): str(topic) for topic in topics.values()
    }


def test_documented_payloads_are_right(topics: dict[str, Topic[Any]], documented: dict[str, Any]) -> None:
    """The payload's name and fields are those of the class, in its order."""
    told = {topic: (row["payload"], re.findall(r"`(\w+)`", row["fields"])) for topic, row in documented.items()}
    true = {
        str(topic): (topic.payload_type.__name__, [field.name for field in attrs.fields(topic.payload_type)])
        for topic in topics.values()
    }
    assert told == true


def test_each_topic_appears_in_a_test(topics: dict[str, Topic[Any]], suite: tuple[Any, ...]) -> None:
    """By the name of its constant or by its string."""
    text = "\n".join(source.text for source in suite)
    unused = [
        f"{name} ({topic})"
        for name, topic in topics.items()
        if not re.search(rf"\b{name}\b|[\"']{re.escape(topic)}[\"']", text)
    ]
    assert not unused, "\n".join(unused)

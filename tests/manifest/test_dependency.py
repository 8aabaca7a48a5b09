"""Dependencies as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.errors import PluginValidationError
from gridbus.manifest import Dependency, VersionRange


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("audit-log", Dependency("audit-log")),
        ("audit-log>=1.0,<2", Dependency("audit-log", ">=1.0,<2")),
        (" audit-log >= 1.0 ", Dependency("audit-log", ">= 1.0")),
        ("audit-log^1.0", Dependency("audit-log", "^1.0")),
        ("audit-log ~1.0", Dependency("audit-log", "~1.0")),
        ("audit-log~=1.0", Dependency("audit-log", "~=1.0")),
        ("audit-log*", Dependency("audit-log", "*")),
        ("audit-log?", Dependency("audit-log", optional=True)),
        ("audit-log? >=1", Dependency("audit-log", ">=1", optional=True)),
    ],
)
def test_a_dependency_is_read_from_text(text: str, expected: Dependency) -> None:
    """An id, whether it is needed, and a range."""
    assert Dependency.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "?", ">=1", "audit log", "audit-log 1.0", "audit-log>>1", "Audit", "a--b", "a>=1?", 3]
)
def test_text_that_is_no_dependency_is_refused(text: object) -> None:
    """The error repeats what cannot be read."""
    with pytest.raises(PluginValidationError, match="is no "):
        Dependency.parse(text)  # type: ignore[arg-type]


def test_all_that_is_wrong_is_said_at_once() -> None:
    """A wrong id, range and flag are three problems of one error."""
    with pytest.raises(PluginValidationError) as caught:
        Dependency("Audit", ">>1", optional="yes")  # type: ignore[arg-type]
    assert [problem.rpartition(" @ ")[2] for problem in caught.value.details["problems"]] == [
        "id",
        "versions",
        "optional",
    ]


@given(
    plugin_id=st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True),
    versions=st.sampled_from(["*", ">=1.0", "^1.2,!=1.4", "~1", "==2.*"]),
    optional=st.booleans(),
)
def test_what_is_printed_is_read_back(plugin_id: str, versions: str, optional: bool) -> None:
    """``str`` and ``parse`` are each other's inverse."""
    dependency = Dependency(plugin_id, VersionRange(versions), optional=optional)
    assert Dependency.parse(str(dependency)) == dependency

"""Version ranges: PEP 440 clauses, carets and tildes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from gridbus.errors import PluginValidationError
from gridbus.manifest import VersionRange
from gridbus.manifest.versions import check_version


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("*", ["0", "1.0", "99.1rc1"], []),
        (">=1.0,<2", ["1.0", "1.9.9", "1.3rc1"], ["0.9", "2.0", "2.0a1", "1.0rc1"]),
        (" >= 1.0 , != 1.3 ", ["1.0", "1.3.1", "2"], ["1.3", "0.1"]),
        ("~=1.4", ["1.4", "1.9"], ["1.3", "2.0"]),
        ("==2.*", ["2.0", "2.9.9"], ["1.9", "3"]),
        ("^1.2.3", ["1.2.3", "1.9.9"], ["1.2.2", "2.0.0", "2.0.0a1"]),
        ("^1", ["1.0", "1.99"], ["0.9", "2"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.2.2", "0.3.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.2", "0.0.4"]),
        ("^0.0", ["0.0.1", "0.0.9"], ["0.1"]),
        ("^0", ["0.9"], ["1.0"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.2.2", "1.3.0"]),
        ("~1.2", ["1.2", "1.2.9"], ["1.3"]),
        ("~1", ["1.0", "1.9"], ["2.0"]),
        ("^1.2,!=1.4.0", ["1.3", "1.4.1"], ["1.4.0"]),
        ("^1.0.0-beta.1", ["1.0.0-beta.2", "1.0.0", "1.5"], ["1.0.0-alpha.9", "2.0.0"]),
    ],
)
def test_a_range_holds_what_it_says(text: str, inside: list[str], outside: list[str]) -> None:
    """Each form of clause holds the versions that its readers expect."""
    versions = VersionRange(text)
    assert [version for version in inside if not versions.contains(version)] == []
    assert [version for version in outside if versions.contains(version)] == []


@pytest.mark.parametrize(
    "text", ["", "1.0", "=1.0", ">>1", ">=", "^", "^x", ">=1 <2", ">=1,", "^1 || ^2", "latest", "^*", "x" * 201]
)
def test_a_range_that_cannot_be_read_is_refused(text: str) -> None:
    """A bare version is refused too, as it means one thing to npm and another to Cargo."""
    with pytest.raises(PluginValidationError, match="is no "):
        VersionRange(text)


def test_explain_names_the_clauses_that_are_broken() -> None:
    """Of several clauses, those that do not hold are shown."""
    versions = VersionRange(">=1.0,<2,!=2.5")
    assert versions.explain("1.4") == "1.4 is in >=1.0,<2,!=2.5"
    assert versions.explain("2.5") == "2.5 is not <2 and not !=2.5"
    assert str(versions) == ">=1.0,<2,!=2.5"


@pytest.mark.parametrize(
    "version", ["0", "1.0", "2026.11.24", "1.0rc1", "1!2.0", "1.0.0-beta.1", "v1.0", "1.0+local.5"]
)
def test_versions_of_wheels_are_versions(version: str) -> None:
    """What a wheel can carry is a version, and so is a semantic version that PEP 440 can read."""
    assert check_version(version) == version


@pytest.mark.parametrize("version", ["", "one", "1.0.0-foo.1", "1..0", "\uff11.0", "1.0 ", 1.0, None, "1" * 201])
def test_other_things_are_no_versions(version: object) -> None:
    """They are refused by name, numbers of TOML among them."""
    with pytest.raises(PluginValidationError, match=r"is no version|text is needed"):
        check_version(version)  # type: ignore[arg-type]


RELEASES = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@given(base=RELEASES, other=RELEASES)
def test_a_caret_holds_what_changes_right_of_the_leading_figure(base: str, other: str) -> None:
    """Exactly those not below the base that share its figures up to the first that is not 0 (or its last)."""
    figures = [*Version(base).release]
    lead = next((i for i, figure in enumerate(figures) if figure), len(figures) - 1)
    padded = [*Version(other).release, 0, 0, 0, 0]
    expected = Version(other) >= Version(base) and padded[: lead + 1] == figures[: lead + 1]
    assert VersionRange(f"^{base}").contains(other) is expected


@given(base=RELEASES, other=RELEASES)
def test_a_tilde_holds_the_same_minor_version(base: str, other: str) -> None:
    """Exactly those not below the base that share its major and, where it has one, minor figure."""
    figures = [*Version(base).release][:2]
    padded = [*Version(other).release, 0, 0]
    expected = Version(other) >= Version(base) and padded[: len(figures)] == figures
    assert VersionRange(f"~{base}").contains(other) is expected

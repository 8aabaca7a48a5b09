"""Permissions: how they are written, what they cover, and the sets that are asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.errors import PluginValidationError
from gridbus.events.topic import matches
from gridbus.manifest import Permission, PermissionKind, PermissionSet


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("storage", "storage", "*"),
        ("subscribe", "subscribe", "*"),
        ("subscribe:row:*", "subscribe", "row:*"),
        ("subscribe:*:*", "subscribe", "*"),
        ("ask:export:run", "ask", "export:run"),
        ("grid.read", "grid.read", "*"),
        ("fs.write:/data//x/../y/", "fs.write", "/data/y"),
        ("fs.read://etc", "fs.read", "/etc"),
        ("fs.read:./logs", "fs.read", "logs"),
        ("net:API.example.org:443", "net", "api.example.org:443"),
        ("net:example.org", "net", "example.org:*"),
        ("net:[::1]:80", "net", "[::1]:80"),
        ("net:[::1]", "net", "[::1]:*"),
        ("net:*:*", "net", "*"),
        ("net:*:443", "net", "*:443"),
        ("exec:git", "exec", "git"),
    ],
)
def test_a_permission_has_one_spelling(text: str, kind: str, target: str) -> None:
    """Text is read into a kind and a target, and what it prints reads as the same."""
    permission = Permission.parse(text)
    assert (permission.kind, permission.target) == (PermissionKind(kind), target)
    assert Permission.parse(str(permission)) == permission


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no permission"),
        ("rows", "is no permission: choose from subscribe, publish"),
        ("subscribe:row", "is no topic and no pattern"),
        ("storage:mine", "takes no target, so leave out 'mine'"),
        ("grid.read:name", "takes no target"),
        ("subscribe:", "target of subscribe is text"),
        ("fs.read:../secrets", "leads out of its folder"),
        ("fs.read:a/../../b", "leads out of its folder"),
        ("net:http://example.org", "is no "),
        ("net:example.org:0", "is no port"),
        ("net:example.org:65536", "is no port"),
        ("net:exa*mple.org:1", "is no address"),
        ("net::80", "is no address"),
        ("net:::1:80", "is no address"),
        (7, "is no permission"),
    ],
)
def test_a_permission_that_cannot_be_one_is_refused(text: object, reason: str) -> None:
    """The error says what is wrong with kind or target."""
    with pytest.raises(PluginValidationError, match=reason):
        Permission.parse(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("subscribe", "subscribe:row:create"),
        ("subscribe:row:*", "subscribe:row:create"),
        ("subscribe:*:create", "subscribe:row:create"),
        ("subscribe:row:*", "subscribe:row:*"),
        ("fs.read:/data", "fs.read:/data/x/y"),
        ("fs.read:/data", "fs.read:/data"),
        ("fs.read:/", "fs.read:/data"),
        ("fs.read:.", "fs.read:logs/x"),
        ("fs.read", "fs.read:logs"),
        ("net:*.example.org:443", "net:api.example.org:443"),
        ("net:*.example.org:443", "net:*.api.example.org:443"),
        ("net:example.org", "net:example.org:80"),
        ("net:*:443", "net:example.org:443"),
        ("exec", "exec:git"),
    ],
)
def test_a_wide_permission_covers_a_narrow_one(wide: str, narrow: str) -> None:
    """And the narrow one does not cover the wide one, unless they are the same."""
    assert Permission.parse(wide).covers(Permission.parse(narrow))
    assert Permission.parse(narrow).covers(Permission.parse(wide)) is (wide == narrow)


@pytest.mark.parametrize(
    ("granted", "wanted"),
    [
        ("subscribe:row:create", "subscribe:row:update"),
        ("subscribe:row:*", "subscribe:*:create"),
        ("subscribe:row:*", "subscribe"),
        ("subscribe", "publish:row:create"),
        ("grid.read", "grid.write"),
        ("fs.read:/data", "fs.read:/database"),
        ("fs.read:/", "fs.read:logs"),
        ("fs.read:.", "fs.read:/logs"),
        ("fs.read:/data", "fs.read:/data/../etc"),
        ("fs.read:/data", "fs.write:/data"),
        ("net:*.example.org", "net:example.org"),
        ("net:*.example.org", "net:badexample.org"),
        ("net:example.org:443", "net:example.org:80"),
        ("net:example.org:443", "net:example.org"),
        ("exec:git", "exec:gits"),
    ],
)
def test_a_permission_covers_nothing_else(granted: str, wanted: str) -> None:
    """What is near is not granted."""
    assert not Permission.parse(granted).covers(Permission.parse(wanted))


NOUNS = st.sampled_from(["row", "grid", "a.b"])
PATTERNS = st.one_of(st.just("*"), st.builds("{}:{}".format, NOUNS | st.just("*"), NOUNS | st.just("*")))


@given(wide=PATTERNS, narrow=PATTERNS, topic=st.builds("{}:{}".format, NOUNS, NOUNS))
def test_covering_a_pattern_is_matching_all_that_it_matches(wide: str, narrow: str, topic: str) -> None:
    """No topic slips through between permissions and patterns."""
    granted = Permission(PermissionKind.SUBSCRIBE, wide)
    assert granted.covers(Permission(PermissionKind.SUBSCRIBE, topic)) is matches(wide, topic)
    if granted.covers(Permission(PermissionKind.SUBSCRIBE, narrow)) and matches(narrow, topic):
        assert matches(wide, topic)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("storage", "storage", True),
        ("storage", "manage", False),
        ("subscribe:row:*", "subscribe", True),
        ("subscribe:row:*", "subscribe:*:create", True),
        ("subscribe:row:*", "subscribe:sort:*", False),
        ("subscribe:row:create", "publish:row:create", False),
        ("fs.read:/a", "fs.read:/a/b", True),
        ("fs.read:/a", "fs.read:/b", False),
        ("net:*.example.org:443", "net:api.example.org:*", True),
        ("net:*:80", "net:example.org:*", True),
        ("net:*:80", "net:example.org:443", False),
        ("net:a.org:80", "net:b.org:*", False),
        ("exec:sh", "exec:bash", False),
    ],
)
def test_permissions_overlap_where_both_allow_something(one: str, other: str, expected: bool) -> None:
    """Whichever is asked."""
    first, second = Permission.parse(one), Permission.parse(other)
    assert (first.overlaps(second), second.overlaps(first)) == (expected, expected)


@given(wide=PATTERNS, narrow=PATTERNS, topic=st.builds("{}:{}".format, NOUNS, NOUNS))
def test_patterns_that_match_the_same_topic_overlap(wide: str, narrow: str, topic: str) -> None:
    """As the bus matches."""
    if matches(wide, topic) and matches(narrow, topic):
        assert Permission("subscribe", wide).overlaps(Permission("subscribe", narrow))


def test_each_permission_is_described_in_plain_words() -> None:
    """With and without a target, to complete "the plugin may"."""
    assert Permission.parse("subscribe:row:*").describe() == "hear the events row:*"
    assert Permission.parse("net:api.example.org:443").describe() == "connect to api.example.org:443"
    for kind in PermissionKind:
        words = Permission(kind).describe()
        assert words
        assert "*" not in words


class TestPermissionSet:
    """A set answers for what was granted."""

    def test_it_allows_what_one_of_its_permissions_covers(self) -> None:
        """Each question is answered the same the second time."""
        granted = PermissionSet(["subscribe:row:*", "storage", Permission.parse("ask:export:*")])
        for _ in range(2):
            assert granted.allows("subscribe", "row:create")
            assert granted.allows(PermissionKind.SUBSCRIBE, "row:*")
            assert granted.allows("storage")
            assert not granted.allows("subscribe", "grid:ready")
            assert not granted.allows("subscribe")
            assert not granted.allows("grid.read")
            assert not PermissionSet().allows("storage")

    def test_two_narrow_permissions_are_no_wide_one(self) -> None:
        """A pattern is allowed where one permission covers all of it."""
        assert not PermissionSet(["subscribe:row:create", "subscribe:row:update"]).allows("subscribe", "row:*")

    def test_what_cannot_be_asked_is_an_error(self) -> None:
        """A mistake of the caller is not read as a refusal."""
        with pytest.raises(PluginValidationError, match="is no permission"):
            PermissionSet(["subscribe"]).allows("listen", "row:create")
        with pytest.raises(PluginValidationError, match="is no topic"):
            PermissionSet(["subscribe"]).allows("subscribe", "row")

    def test_the_answers_it_keeps_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A million topic names cost no memory for ever."""
        monkeypatch.setattr(PermissionSet, "MAX_ANSWERS", 10)
        granted = PermissionSet(["subscribe:row:*"])
        assert all(granted.allows("subscribe", f"row:topic{number}") for number in range(100))
        assert len(granted._answers) <= 10

    def test_missing_lists_what_is_not_granted(self) -> None:
        """In the order in which it was wanted."""
        wanted = [Permission.parse(text) for text in ("storage", "subscribe:row:create", "grid.write")]
        assert [str(item) for item in PermissionSet(["subscribe:row:*"]).missing(wanted)] == ["storage", "grid.write"]
        assert PermissionSet(wanted).missing(wanted) == ()

    def test_it_is_a_collection(self) -> None:
        """Permissions are kept once, in order; sets of the same permissions are equal."""
        granted = PermissionSet(["storage", "grid.read", "storage"])
        assert [str(permission) for permission in granted] == ["storage", "grid.read"]
        assert len(granted) == 2
        assert granted == PermissionSet(["grid.read", "storage"])
        assert hash(granted) == hash(PermissionSet(["grid.read", "storage"]))
        assert granted != PermissionSet(["grid.read"])
        assert repr(granted) == "PermissionSet(['storage', 'grid.read'])"

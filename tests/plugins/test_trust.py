"""Policies say where plugins run, by what is known of them."""

from __future__ import annotations

import pytest

from gridbus.manifest import Isolation, PluginMetadata
from gridbus.plugins import Candidate, IsolationPolicy, TrustLevel, by_manifest, untrusted_apart


@pytest.mark.parametrize(
    ("policy", "trust", "isolation", "expected"),
    [
        (by_manifest, TrustLevel.UNSIGNED, "inline", Isolation.INLINE),
        (by_manifest, TrustLevel.OWN, "process", Isolation.PROCESS),
        (by_manifest, TrustLevel.UNSIGNED, None, Isolation.INLINE),
        (untrusted_apart, TrustLevel.UNSIGNED, "inline", Isolation.PROCESS),
        (untrusted_apart, TrustLevel.UNSIGNED, None, Isolation.PROCESS),
        (untrusted_apart, TrustLevel.OWN, "inline", Isolation.INLINE),
        (untrusted_apart, TrustLevel.OFFICIAL, "inline", Isolation.INLINE),
        (untrusted_apart, TrustLevel.OFFICIAL, "process", Isolation.PROCESS),
    ],
)
def test_a_policy_says_where(
    policy: IsolationPolicy, trust: TrustLevel, isolation: str | None, expected: Isolation
) -> None:
    """By the manifest, or by trust whatever the manifest says."""
    metadata = isolation and PluginMetadata(id="a", name="A", version="1", isolation=isolation)
    assert policy(Candidate(trust, metadata or None)) is expected

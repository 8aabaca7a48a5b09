"""How analytics is configured."""

from __future__ import annotations

import enum
from urllib.parse import urlsplit

import attrs

from gridbus import ConfigError, GridbusError, Permission

DEFAULT_EVENTS = ("data:load", "row:create", "row:update", "row:delete", "sort:change", "filter:apply", "page:change")
MOST_IN_A_REQUEST = 2_000  # Mixpanel's limit


class Provider(enum.StrEnum):
    """Who the events are sent to."""

    MIXPANEL = "mixpanel"


@attrs.frozen(kw_only=True)
class AnalyticsConfig:
    """What is sent, to whom, and how patiently."""

    provider: Provider = Provider.MIXPANEL
    api_key: str = attrs.field(default="", repr=False)
    """The project's token. Where it is empty or a placeholder, nothing is sent and the plugin's health says so."""

    auto_track: bool = True  #: track ``events`` by themselves; False: only what is told on the channel
    events: tuple[str, ...] = DEFAULT_EVENTS  #: topics and patterns
    distinct_id: str = "anonymous"  #: whose events these are, in the provider's words
    endpoint: str = "https://api.mixpanel.com"  #: ``https://api-eu.mixpanel.com`` keeps the data in the EU
    batch_size: int = 50  #: events that are sent together
    batch_seconds: float = 5.0  #: how long an event waits for others at most
    max_waiting: int = 10_000  #: events kept while they cannot be sent; the oldest go first
    retry_seconds: float = 2.0  #: before the second attempt, doubled each time up to a minute
    timeout: float = 10.0  #: seconds for one request

    @property
    def has_key(self) -> bool:
        """Tell whether there is a key that somebody could have been given."""
        return any(character.isalnum() for character in self.api_key)

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work, all of it at once."""
        problems = []
        address = urlsplit(self.endpoint)
        if address.scheme not in ("http", "https") or not address.hostname:
            problems.append(f"an address such as https://api.mixpanel.com is needed, not {self.endpoint} @ endpoint")
        for index, pattern in enumerate(self.events):
            try:
                Permission("subscribe", pattern)  # a topic or a pattern is what this permission is for
            except GridbusError as error:
                problems.append(f"{error} @ events[{index}]")
        if not 1 <= self.batch_size <= MOST_IN_A_REQUEST:
            problems.append(f"between 1 and {MOST_IN_A_REQUEST:,} is needed, not {self.batch_size} @ batch_size")
        if self.max_waiting < self.batch_size:
            problems.append(f"at least batch_size ({self.batch_size}) is needed, not {self.max_waiting} @ max_waiting")
        seconds = {name: getattr(self, name) for name in ("batch_seconds", "retry_seconds", "timeout")}
        problems += [f"a number above 0 is needed, not {v:g} @ {name}" for name, v in seconds.items() if not v > 0]
        if problems:
            raise ConfigError("analytics", problems)

"""The health service, beside a manager and beside whatever else answers for plugins."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.channels.plugins import HEALTH_REPORT, PLUGIN_HEALTH, CheckHealth, HealthQuery
from gridbus.errors import AlreadyServed, BusClosed, NoServer, Veto
from gridbus.events import Event
from gridbus.events.system import HEALTH_CHANGE, HealthChanged, HealthStatus
from gridbus.health import HealthService
from gridbus.manifest import PluginHealth, PluginMetadata, ResourceLimits
from gridbus.plugins import Plugin, PluginManager
from gridbus.testing import FakeClock, Recorder

HEALTHY, WARNING, ERROR, UNKNOWN = HealthStatus.HEALTHY, HealthStatus.WARNING, HealthStatus.ERROR, HealthStatus.UNKNOWN


class Answers:
    """Stands in for a manager, with answers that a test sets."""

    def __init__(self, bus: Bus) -> None:
        self.plugins: dict[str, PluginHealth] = {}
        self.asked = 0
        self.server = bus.serve(PLUGIN_HEALTH, self.answer, owner="manager")

    async def answer(self, message: CheckHealth) -> dict[str, PluginHealth]:
        """Answer for all."""
        self.asked += 1
        return dict(self.plugins)


@pytest.fixture
async def answers(bus: Bus) -> Answers:
    """Somebody who answers for plugins."""
    return Answers(bus)


async def test_the_first_check_is_at_once_and_the_next_after_the_interval(
    bus: Bus, clock: FakeClock, answers: Answers
) -> None:
    """And none after the end."""
    async with HealthService(bus, interval=30):
        await clock.advance(0)
        assert answers.asked == 1
        await clock.advance(29)
        assert answers.asked == 1
        await clock.advance(2)
        assert answers.asked == 2
    await clock.advance(100)
    assert answers.asked == 2


async def test_changes_are_told_once(bus: Bus, clock: FakeClock, answers: Answers, recorder: Recorder) -> None:
    """Before its first check a plugin is unknown; what stays is not told again; what is gone is forgotten."""
    answers.plugins = {"a": PluginHealth.healthy(), "b": PluginHealth.warning("slow")}
    async with HealthService(bus, interval=30) as service:
        await clock.advance(31)
        answers.plugins = {"a": PluginHealth.error("broken"), "b": PluginHealth.warning("slower")}
        await clock.advance(31)
        answers.plugins = {"a": PluginHealth.error("broken")}
        await clock.advance(31)
        assert list(service.report.plugins) == ["a"]
    assert recorder.payloads(HEALTH_CHANGE) == [
        HealthChanged("a", UNKNOWN, HEALTHY),
        HealthChanged("b", UNKNOWN, WARNING, "slow"),
        HealthChanged("a", HEALTHY, ERROR, "broken"),
    ]
    assert {event.source for event in recorder.of("health:*")} == {"health"}


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [([], HEALTHY), ([HEALTHY, UNKNOWN], UNKNOWN), ([UNKNOWN, WARNING], WARNING), ([ERROR, WARNING, HEALTHY], ERROR)],
)
async def test_the_report_says_the_worst(
    bus: Bus, clock: FakeClock, answers: Answers, statuses: list[HealthStatus], worst: HealthStatus
) -> None:
    """An error outranks a warning, a warning what is unknown."""
    answers.plugins = {str(number): PluginHealth(status, "why") for number, status in enumerate(statuses)}
    async with HealthService(bus):
        await clock.advance(0)
        report = await bus.ask(HEALTH_REPORT, HealthQuery())
    assert report.status is worst
    assert report.plugins == answers.plugins
    assert report.checked_at == datetime.fromtimestamp(clock.time_ns() / 1e9, UTC)


async def test_a_report_is_of_the_last_check_unless_a_fresh_one_is_wanted(bus: Bus, answers: Answers) -> None:
    """Looking costs the plugins nothing."""
    service = HealthService(bus)
    assert service.report.checked_at is None
    async with service:
        for _ in range(2):  # the check at the beginning is between them, at the latest
            await bus.ask(HEALTH_REPORT, HealthQuery(fresh=True))
        asked = answers.asked
        answers.plugins = {"a": PluginHealth.healthy()}
        assert (await bus.ask(HEALTH_REPORT, HealthQuery())).plugins == {}
        assert answers.asked == asked
        assert (await bus.ask(HEALTH_REPORT, HealthQuery(fresh=True))).plugins == answers.plugins


async def test_without_an_answer_what_was_known_is_unknown(
    bus: Bus, clock: FakeClock, answers: Answers, recorder: Recorder
) -> None:
    """And checked again when there is one."""
    answers.plugins = {"a": PluginHealth.healthy()}
    async with HealthService(bus, interval=30) as service:
        await clock.advance(1)
        answers.server.close()
        await clock.advance(30)
        assert service.report.status is UNKNOWN
        assert "nobody serves manager:health" in service.report.plugins["a"].message
        bus.serve(PLUGIN_HEALTH, answers.answer, owner="manager")
        await clock.advance(30)
    assert [(fact.old, fact.new) for fact in recorder.payloads(HEALTH_CHANGE)] == [
        (UNKNOWN, HEALTHY),
        (HEALTHY, UNKNOWN),
        (UNKNOWN, HEALTHY),
    ]


async def test_an_answer_that_does_not_come_is_none(bus: Bus, clock: FakeClock, answers: Answers) -> None:
    """The service does not wait for ever."""
    answers.plugins = {"a": PluginHealth.healthy()}
    async with HealthService(bus, interval=30, timeout=60) as service:
        await clock.advance(1)
        answers.server.close()

        async def hang(message: CheckHealth) -> dict[str, PluginHealth]:
            await anyio.sleep_forever()
            return {}

        server = bus.serve(PLUGIN_HEALTH, hang, owner="manager")
        await clock.advance(95)
        assert service.report.plugins["a"].status is UNKNOWN
        server.cancel()


async def test_a_veto_does_not_stop_the_service(bus: Bus, clock: FakeClock, answers: Answers) -> None:
    """The change has happened; the next check comes."""

    def refuse(draft: object) -> None:
        raise Veto("no news")

    bus.intercept(HEALTH_CHANGE, refuse)
    answers.plugins = {"a": PluginHealth.healthy()}
    async with HealthService(bus, interval=30):
        await clock.advance(31)
        assert answers.asked == 2


async def test_two_services_on_one_bus_are_an_error(bus: Bus, answers: Answers) -> None:
    """Each change would be told twice."""
    async with HealthService(bus):
        with pytest.raises(AlreadyServed):
            HealthService(bus).start()
    with pytest.raises(NoServer):
        await bus.ask(HEALTH_REPORT, HealthQuery())


async def test_a_closed_bus_is_an_error() -> None:
    """Said when it starts."""
    with pytest.raises(BusClosed):
        HealthService(Bus()).start()


async def test_with_a_manager_the_change_reaches_whoever_hears(bus: Bus) -> None:
    """Service and manager know nothing of each other but the channel."""
    heard: list[HealthChanged] = []

    class Moody(Plugin[None]):
        metadata = PluginMetadata(id="moody", name="Moody", version="1", limits=ResourceLimits(health_timeout=1))
        mood = PluginHealth.healthy()

        async def health_check(self) -> PluginHealth:
            return self.mood

    async def hear(event: Event[HealthChanged]) -> None:
        heard.append(event.payload)

    bus.on(HEALTH_CHANGE, hear)
    plugin = Moody()
    async with PluginManager(bus) as manager:
        await manager.register_and_initialize(plugin)
        async with HealthService(bus) as service:
            await service.check_now()
            plugin.mood = PluginHealth.error("bad day")
            await service.check_now()
            await bus.drain()
    assert [(fact.id, fact.new) for fact in heard] == [("moody", HEALTHY), ("moody", ERROR)]

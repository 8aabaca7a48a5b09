"""One plugin's files followed, on a clock that stands still."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from gridbus.bundles import Bundle, SourceFile
from gridbus.bus import Bus
from gridbus.channels.plugins import PluginCode
from gridbus.reload.checkout import Lock
from gridbus.reload.follower import Follower
from gridbus.reload.places import Places
from gridbus.reload.quiet import Look
from gridbus.reload.reading import CheckoutRuns, NotYet, Reading
from gridbus.testing import FakeClock

FOLDER = Path("/plugins/greeter")


class FakeSources:
    """Files of a test's making."""

    def __init__(self) -> None:
        self.code = {"greeter.py": "0", "words.py": "0"}
        self.data: dict[str, int] = {"cache.json": 0}
        self.refusals: list[NotYet] = []  #: raised by the next readings
        self.refusal: NotYet | None = None  #: raised by all
        self.reads = 0

    def reading(self) -> Reading:
        """What there is now."""
        files = {
            name: SourceFile(name, text.encode(), hashlib.sha256(text.encode()).digest())
            for name, text in self.code.items()
        }
        data = {name: (number, number) for name, number in self.data.items()}
        return Reading(Bundle(FOLDER, files, data, f"{self.code}{self.data}"))

    async def read(self, known: Reading | None, stale_lock: Lock | None) -> Reading:
        self.reads += 1
        if self.refusals:
            raise self.refusals.pop(0)
        if self.refusal is not None and not (
            isinstance(self.refusal, CheckoutRuns) and self.refusal.lock == stale_lock
        ):
            raise self.refusal
        return self.reading()

    async def survey(self) -> Places:
        return Places({FOLDER: (0, 0)}, (FOLDER,), frozenset({FOLDER}), {FOLDER: (FOLDER,)})

    def look(self, path: Path, known: Reading | None) -> Look | None:
        name = self.name(path)
        content = {**self.code, **self.data}.get(name)
        return None if content is None else Look(-1.0, (hash(content),))

    def name(self, path: Path) -> str:
        return path.relative_to(FOLDER).as_posix() if FOLDER in path.parents else str(path)

    def is_data(self, path: Path) -> bool:
        return path.suffix != ".py"


class Followed:
    """A follower, its files, and what it asked for."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.sources = clock, FakeSources()
        self.asked: list[tuple[str, ...]] = []
        self.reasons: list[str] = []
        self.moves = 0
        self.follower = Follower(
            PluginCode("greeter", 1, str(FOLDER), (), self.sources.reading().digest),
            self.sources,
            clock,
            quiet=0.005,
            max_wait=5.0,
            ask=self._ask,
            moved=self._moved,
        )

    def save(self, **texts: str | int) -> None:
        """Change files, and tell of it."""
        for name, text in texts.items():
            if isinstance(text, str):
                self.sources.code[f"{name}.py"] = text
            else:
                self.sources.data[f"{name}.json"] = text
        self.follower.notify(
            FOLDER / f"{name}.{'py' if isinstance(text, str) else 'json'}" for name, text in texts.items()
        )

    def _ask(self, reason: str, files: tuple[str, ...]) -> None:
        self.reasons.append(reason)
        self.asked.append(files)

    def _moved(self, places: Places) -> None:
        self.moves += 1


@pytest.fixture
async def followed(clock: FakeClock) -> AsyncIterator[Followed]:
    """A plugin whose files are as it was loaded from them."""
    followed = Followed(clock)
    async with Bus(clock=clock, id="bus", grace=0.0) as bus:
        await followed.follower.survey()
        await followed.follower.begin()
        bus.scope("test").start_soon(followed.follower.run)
        await clock.advance(1)
        yield followed


async def test_a_lone_file_is_taken_after_the_quiet_time(followed: Followed, clock: FakeClock) -> None:
    """Not before; its reading is the only one."""
    reads = followed.sources.reads
    followed.save(greeter="1")
    await clock.advance(0.004)
    assert followed.sources.reads == reads
    await clock.advance(0.002)
    assert followed.asked == [("greeter.py",)]
    assert followed.reasons == ["greeter.py changed"]
    await clock.advance(60)
    assert followed.sources.reads == reads + 1


async def test_several_files_are_one_reload_when_the_last_has_been_quiet(followed: Followed, clock: FakeClock) -> None:
    """For 50 ms."""
    followed.save(greeter="1")
    await clock.advance(0.004)
    followed.save(words="1")
    await clock.advance(0.049)
    assert followed.asked == []
    followed.save(more="1")
    await clock.advance(0.049)
    assert followed.asked == []
    await clock.advance(0.002)
    assert followed.reasons == ["3 files changed"]


async def test_a_storm_of_writes_is_no_storm_of_reloads(followed: Followed, clock: FakeClock) -> None:
    """One where it begins, as any save, and one when it is over."""
    for number in range(1, 100):
        followed.save(greeter=str(number))
        await clock.advance(0.02)
    assert len(followed.asked) <= 2
    await clock.advance(0.25)
    assert followed.follower.last is not None
    assert followed.follower.last.changed_since(followed.sources.reading()) == ()
    assert 2 <= len(followed.asked) <= 3


async def test_the_same_content_is_no_reload(followed: Followed, clock: FakeClock) -> None:
    """Neither of what serves nor of what was asked for last, whatever came of that."""
    followed.save(greeter="0")
    await clock.advance(1)
    assert followed.asked == []
    for text in ("broken", "broken"):
        followed.save(greeter=text)
        await clock.advance(1)
    assert len(followed.asked) == 1


async def test_a_return_to_what_serves_is_no_reload(followed: Followed, clock: FakeClock) -> None:
    """And then the same mistake again is one."""
    for text in ("broken", "0", "broken"):
        followed.save(greeter=text)
        await clock.advance(1)
    assert len(followed.asked) == 2


async def test_a_return_to_what_serves_is_one_while_a_reload_is_in_flight(followed: Followed, clock: FakeClock) -> None:
    """Which is about to replace what serves."""
    followed.save(greeter="1")
    await clock.advance(1)
    followed.follower.in_flight = 1
    followed.save(greeter="0")
    await clock.advance(1)
    assert len(followed.asked) == 2


async def test_what_is_being_written_is_tried_again(followed: Followed, clock: FakeClock) -> None:
    """After 5, 10, 20 ms and so on; without being told that it is whole."""
    followed.sources.refusals = [NotYet(FOLDER / "greeter.py", "is open for writing") for _ in range(3)]
    reads = followed.sources.reads
    followed.save(greeter="1")
    counts = []
    for _ in range(5):
        await clock.advance(0.0101)
        counts.append(followed.sources.reads - reads)
    assert counts == [2, 3, 3, 4, 4]
    assert followed.asked == [("greeter.py",)]


async def test_a_file_that_stays_open_is_named_and_still_read_when_it_is_whole(
    followed: Followed, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, and never a half of it."""
    followed.sources.refusal = NotYet(FOLDER / "greeter.py", "is open for writing")
    followed.save(greeter="1")
    await clock.advance(4.9)
    assert caplog.text == ""
    await clock.advance(60)
    assert caplog.text.count("/plugins/greeter/greeter.py is open for writing, since more than 5 s") == 1
    assert followed.asked == []
    followed.sources.refusal = None
    await clock.advance(1)
    assert followed.asked == [("greeter.py",)]


async def test_git_is_waited_for(followed: Followed, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    """But not for a lock that somebody left."""
    lock = Lock(Path("/plugins/.git/index.lock"), 1, 1)
    followed.sources.refusal = CheckoutRuns(lock)
    followed.save(greeter="1")
    await clock.advance(4.9)
    assert (followed.asked, caplog.text) == ([], "")
    await clock.advance(0.3)
    assert followed.asked == [("greeter.py",)]
    assert "/plugins/.git/index.lock is there for longer than 5 s" in caplog.text
    followed.save(greeter="2")
    await clock.advance(0.3)
    assert len(followed.asked) == 2


async def test_a_storm_that_does_not_end_is_told(
    followed: Followed, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """By the name of the file, once."""
    for number in range(400):
        followed.save(greeter=str(number))
        await clock.advance(0.02)
    assert caplog.text.count("greeter.py keeps being changed, since more than 5 s") == 1
    assert len(followed.asked) <= 2


async def test_data_alone_causes_a_reload_a_second_at_most(followed: Followed, clock: FakeClock) -> None:
    """And code at once all the same."""
    followed.save(cache=1)
    await clock.advance(0.3)
    followed.save(cache=2)
    await clock.advance(0.3)
    assert followed.asked == [("cache.json",)]
    followed.save(greeter="1")
    await clock.advance(0.1)
    assert followed.asked[1:] == [("cache.json", "greeter.py")]
    followed.save(cache=3)
    await clock.advance(1)
    assert followed.asked[2:] == [("cache.json",)]


async def test_a_file_that_the_plugin_writes_itself_is_ignored_in_the_end(
    followed: Followed, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning that says what to do; code is followed as before."""
    for number in range(1, 10):
        followed.save(cache=number)
        await clock.advance(1.1)
    assert followed.asked == [("cache.json",)] * 5
    assert caplog.text.count("'greeter' is not reloaded any more when cache.json changes") == 1
    assert "Let it write elsewhere" in caplog.text
    followed.save(greeter="1")
    await clock.advance(0.1)
    assert followed.asked[5:] == [("greeter.py",)]


async def test_data_that_is_written_all_the_time_holds_up_code_for_a_while_only(
    followed: Followed, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Then it is ignored."""
    followed.save(greeter="1")
    for number in range(1, 400):
        followed.save(cache=number)
        await clock.advance(0.02)
    assert followed.asked[-1] == ("greeter.py",) or ("greeter.py" in followed.asked[0])
    assert "not reloaded any more when cache.json changes" in caplog.text
    followed.save(greeter="2")
    await clock.advance(0.1)
    assert followed.asked[-1] == ("greeter.py",)


async def test_changes_that_may_have_been_missed_are_looked_for(followed: Followed, clock: FakeClock) -> None:
    """A reading tells."""
    followed.sources.code["greeter.py"] = "1"
    followed.follower.notify(())
    await clock.advance(0.1)
    assert followed.asked == [("greeter.py",)]


async def test_files_of_others_are_not_looked_at(followed: Followed, clock: FakeClock) -> None:
    """Nor what no plugin is made of."""
    reads = followed.sources.reads
    followed.follower.notify([Path("/plugins/other/a.py"), FOLDER / "__pycache__", FOLDER / ".greeter.py.swp"])
    await clock.advance(1)
    assert followed.sources.reads == reads


async def test_what_changed_before_it_was_followed_is_reloaded(clock: FakeClock) -> None:
    """Unless that was asked for already."""
    for remembered, reloads in (("", 1), ("same", 0)):
        followed = Followed(clock)
        followed.sources.code["greeter.py"] = "1"
        await followed.follower.begin(followed.sources.reading().digest if remembered else "")
        assert len(followed.asked) == reloads


async def test_what_is_not_whole_as_it_begins_is_read_soon(clock: FakeClock) -> None:
    """And reloaded if it is not what serves."""
    followed = Followed(clock)
    followed.sources.refusals = [NotYet(FOLDER / "greeter.py", "is open for writing")]
    followed.sources.code["greeter.py"] = "1"
    await followed.follower.begin()
    async with anyio.create_task_group() as group:
        group.start_soon(followed.follower.run)
        await clock.advance(0.1)
        group.cancel_scope.cancel()
    assert followed.reasons == ["its files are not those that serve"]


async def test_another_place_is_looked_at_after_a_reload_from_there(followed: Followed, clock: FakeClock) -> None:
    """From then on."""
    elsewhere = FakeSources()
    elsewhere.code["greeter.py"] = "2"
    moves = followed.moves
    followed.follower.serves(PluginCode("greeter", 2, "/elsewhere", (), elsewhere.reading().digest), elsewhere)
    await clock.advance(0.1)
    assert followed.asked == []
    assert followed.moves >= moves
    elsewhere.code["greeter.py"] = "3"
    followed.follower.notify(())
    await clock.advance(0.1)
    assert followed.asked == [("greeter.py",)]

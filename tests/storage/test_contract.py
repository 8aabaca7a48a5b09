"""What every store keeps to."""

from __future__ import annotations

import asyncio
import enum
from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest

from gridbus.contracts import PluginStorage, StorageBackend
from gridbus.errors import QuotaExceeded, StorageError, StoredTypeError
from gridbus.storage import MemoryStorage, SQLiteStorage

QUOTA = 100_000


@attrs.frozen
class Point:
    x: int
    y: int = 0


@attrs.frozen
class Track:
    name: str
    points: list[Point]
    began: datetime
    days: tuple[date, ...] = ()


class Colour(enum.Enum):
    RED = "red"


@attrs.frozen
class Positive:
    number: int = attrs.field(validator=attrs.validators.gt(0))


@attrs.frozen
class Secretive:
    name: str
    _token: str = ""


@pytest.fixture
def storage(backend: StorageBackend) -> PluginStorage:
    """The store of one owner."""
    return backend.namespace("greeter", quota=QUOTA)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**63),
        2**64 - 1,
        1.5,
        float("inf"),
        "",
        "ä\0😀",
        b"\x00\xff",
        [],
        [1, [2]],
        {},
        {"a": {"b": [None]}, 1: 2},
        datetime(2026, 11, 1, 12, 30, 1, 5, tzinfo=UTC),
        "x" * 50_000,
    ],
)
async def test_a_plain_value_comes_back_as_it_was(storage: PluginStorage, value: object) -> None:
    """What msgpack carries is read back equal and of the same type."""
    await storage.set("key", value)
    read = await storage.get("key")
    assert read == value
    assert type(read) is type(value)


async def test_an_attrs_class_is_read_back_by_its_type(storage: PluginStorage) -> None:
    """Nested classes, lists of them, datetimes and tuples come back as the class declares them."""
    track = Track("ridge", [Point(1, 2), Point(3)], datetime(2026, 11, 1, tzinfo=UTC), (date(2026, 11, 2),))
    await storage.set("track", track)
    assert await storage.get("track", Track) == track
    assert await storage.get("track", type=Track) == track
    await storage.set("points", [Point(1), Point(2)])
    assert await storage.get("points", list[Point]) == [Point(1), Point(2)]


@pytest.mark.parametrize(
    ("value", "untyped", "type_"),
    [
        (Point(1), {"x": 1, "y": 0}, Point),
        ((1, 2), [1, 2], tuple[int, ...]),
        ({1}, [1], set[int]),
        (date(2026, 11, 1), "2026-11-01", date),
        (datetime(2026, 11, 1, 8), "2026-11-01T08:00:00", datetime),
        (Colour.RED, "red", Colour),
    ],
)
async def test_richer_values_need_their_type(
    storage: PluginStorage, value: object, untyped: object, type_: Any
) -> None:
    """Read without a type they are what msgpack made of them; with it they are themselves."""
    await storage.set("key", value)
    assert await storage.get("key") == untyped
    assert await storage.get("key", type_) == value


async def test_a_missing_key_yields_the_default(storage: PluginStorage) -> None:
    """A key that was never set, or was deleted, gives None or what the caller says; a stored None is a value."""
    assert await storage.get("key") is None
    assert await storage.get("key", int, 7) == 7
    assert await storage.get("key", default=7) == 7
    await storage.set("key", None)
    assert await storage.get("key", default=7) is None


async def test_reading_as_another_type_names_key_and_owner(storage: PluginStorage) -> None:
    """What is stored is not bent into a type that it is not of."""
    await storage.set("key", {"x": "one"})
    with pytest.raises(StoredTypeError, match=r"cannot read 'key' of 'greeter' as Point: .*\$\.x"):
        await storage.get("key", Point)
    await storage.set("key", {"number": -1})
    with pytest.raises(StoredTypeError, match="'number' must be > 0"):
        await storage.get("key", Positive)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (2**64, "int"),
        (-(2**63) - 1, "int"),
        ([{"deep": 2**70}], "int"),
        (object(), "object"),
        ("\ud800", "surrogates"),
        (Secretive("a", "b"), "_token"),
    ],
)
async def test_a_value_that_would_be_lost_is_refused(storage: PluginStorage, value: object, reason: str) -> None:
    """The error names key, owner and reason, and the old value stays."""
    await storage.set("key", "old")
    with pytest.raises(StoredTypeError, match=rf"cannot store 'key' of 'greeter': .*{reason}"):
        await storage.set("key", value)
    assert await storage.get("key") == "old"


async def test_a_value_that_contains_itself_is_refused(storage: PluginStorage) -> None:
    """Recursion is an error of the value, not of the interpreter."""
    value: list[object] = []
    value.append(value)
    with pytest.raises(StoredTypeError, match="contains itself"):
        await storage.set("key", value)


async def test_later_changes_to_a_value_do_not_reach_the_store(storage: PluginStorage) -> None:
    """The store keeps what was set, whatever callers do to what they gave or got."""
    value = {"list": [1]}
    await storage.set("key", value)
    value["list"].append(2)
    read = await storage.get("key")
    read["list"].append(3)
    assert await storage.get("key") == {"list": [1]}


async def test_a_value_is_taken_at_the_call(storage: PluginStorage) -> None:
    """What changes while a write waits its turn is not written."""
    value = [1]
    async with asyncio.TaskGroup() as group:
        write = group.create_task(storage.set("key", value))
        await asyncio.sleep(0)  # the write has begun
        value.append(2)
    assert write.done()
    assert await storage.get("key") == [1]


async def test_keys_are_sorted_and_found_by_prefix(storage: PluginStorage) -> None:
    """Sorted by code point; a prefix matches text, with nothing in it special."""
    names = ["b", "a", "a%", "a_b", "ab", "ä", "a\0", "\U0010ffff", "a\U0010ffff", "a\U0010ffffz"]
    for name in names:
        await storage.set(name, 1)
    assert await storage.keys() == sorted(names)
    assert await storage.keys("a") == sorted(name for name in names if name.startswith("a"))
    assert await storage.keys("a%") == ["a%"]
    assert await storage.keys("\U0010ffff") == ["\U0010ffff"]
    assert await storage.keys("none") == []


async def test_delete_says_whether_there_was_a_value(storage: PluginStorage) -> None:
    """A deleted key is gone, and deleting it again is no error."""
    await storage.set("key", 1)
    assert await storage.delete("key") is True
    assert await storage.delete("key") is False
    assert await storage.keys() == []
    assert await storage.size() == 0


async def test_owners_are_kept_apart(backend: StorageBackend) -> None:
    """One owner sees, counts and clears its own keys only."""
    first, second = backend.namespace("first", quota=QUOTA), backend.namespace("second", quota=QUOTA)
    await first.set("key", "of first")
    await second.set("key", "of second")
    assert await first.clear() == 1
    assert await first.get("key") is None
    assert await second.get("key") == "of second"
    assert await backend.usage("first") == 0
    assert await backend.usage("second") == await second.size() == len("key") + 1 + len("of second")
    assert await backend.usage("nobody") == 0


async def test_the_same_owner_sees_the_same_keys(backend: StorageBackend) -> None:
    """A namespace is a handle, not a store: a reloaded plugin finds what it left."""
    await backend.namespace("greeter", quota=10).set("key", 1)
    assert await backend.namespace("greeter", quota=QUOTA).get("key") == 1


async def test_size_is_exact(storage: PluginStorage) -> None:
    """Keys in UTF-8 and encoded values are counted, through overwriting and deletion."""
    await storage.set("ä", "12345")  # 2 bytes of key, 1 of header, 5 of text
    assert await storage.size() == 8
    await storage.set("ä", "1")
    assert await storage.size() == 4
    await storage.set("b", b"123")
    assert await storage.size() == 4 + 1 + 2 + 3
    await storage.delete("ä")
    assert await storage.size() == 6
    assert await storage.clear() == 1
    assert await storage.size() == 0


async def test_the_quota_is_met_to_the_byte(backend: StorageBackend) -> None:
    """A write that ends on the quota is taken; one byte more is refused, and the old value stays."""
    storage = backend.namespace("greeter", quota=10)
    assert storage.quota == 10
    await storage.set("key", "123456")
    with pytest.raises(QuotaExceeded, match="storage of 'greeter' would hold 11 bytes, its quota is 10") as caught:
        await storage.set("key", "1234567")
    assert (caught.value.owner, caught.value.needed, caught.value.quota) == ("greeter", 11, 10)
    with pytest.raises(QuotaExceeded):
        await storage.set("k", 1)
    assert await storage.get("key") == "123456"
    assert await storage.keys() == ["key"]
    assert await storage.size() == 10


async def test_an_owner_over_its_quota_may_still_shrink(backend: StorageBackend) -> None:
    """Where the quota was lowered, writes that take less or the same are taken, growth is not."""
    await backend.namespace("greeter", quota=QUOTA).set("key", "x" * 30)
    storage = backend.namespace("greeter", quota=10)
    await storage.set("key", "y" * 30)
    await storage.set("key", "z" * 20)
    with pytest.raises(QuotaExceeded):
        await storage.set("key", "z" * 21)
    assert await storage.get("key") == "z" * 20


async def test_concurrent_writes_do_not_pass_the_quota_together(backend: StorageBackend) -> None:
    """Of many writes at once, as many are taken as fit, and the others are told."""
    storage = backend.namespace("greeter", quota=100)
    outcomes = await asyncio.gather(
        *(storage.set(f"key-{number:02}", "123") for number in range(50)), return_exceptions=True
    )
    assert outcomes.count(None) == 10  # 6 bytes of key, 4 of value
    assert sum(isinstance(outcome, QuotaExceeded) for outcome in outcomes) == 40
    assert await storage.size() == 100
    assert len(await storage.keys()) == 10


async def test_calls_of_one_task_happen_in_order(storage: PluginStorage) -> None:
    """Of many writes to a key that began in order, the last one stays, and a read sees the write before it."""
    results = await asyncio.gather(*(call for n in range(100) for call in (storage.set("key", n), storage.get("key"))))
    assert results[1::2] == list(range(100))
    assert await storage.get("key") == 99


@pytest.mark.parametrize("key", ["", "x" * 513, "ä" * 257, "\udcff", 3, None, b"key"])
async def test_a_key_that_cannot_be_one_is_refused(storage: PluginStorage, key: Any) -> None:
    """Keys are text of 1 to 512 bytes."""
    for call in (storage.get(key), storage.set(key, 1), storage.delete(key)):
        with pytest.raises(StorageError, match="a key "):
            await call
    await storage.set("ä" * 256, 1)
    assert await storage.get("ä" * 256) == 1


@pytest.mark.parametrize("quota", [-1, 1.5, True, "10"])
async def test_a_quota_that_is_no_number_of_bytes_is_refused(backend: StorageBackend, quota: Any) -> None:
    """So is an owner without a name."""
    with pytest.raises(StorageError, match="quota of 'greeter' is a number of bytes"):
        backend.namespace("greeter", quota=quota)
    with pytest.raises(StorageError, match="an owner has 1 to 512 bytes"):
        backend.namespace("", quota=1)


async def test_a_closed_store_refuses_every_call(backend: StorageBackend) -> None:
    """Closing twice is no error; using it afterwards is one that says so."""
    storage = backend.namespace("greeter", quota=QUOTA)
    await storage.set("key", 1)
    await backend.aclose()
    await backend.aclose()
    calls = (storage.get("key"), storage.set("key", 2), storage.delete("key"), storage.clear(), storage.keys())
    for call in (*calls, storage.size(), backend.usage("greeter")):
        with pytest.raises(StorageError, match="is closed"):
            await call


async def test_a_store_closes_itself_at_the_end_of_a_block(tmp_path: Any) -> None:
    """Both stores are context managers."""
    for store in (MemoryStorage(), SQLiteStorage(tmp_path / "storage.db")):
        async with store as opened:
            await opened.namespace("greeter", quota=QUOTA).set("key", 1)
        with pytest.raises(StorageError, match="is closed"):
            await store.usage("greeter")


async def test_a_store_shows_what_it_is(storage: PluginStorage) -> None:
    """The repr of a namespace names owner and store."""
    assert repr(storage).startswith("<Namespace of 'greeter' in ")

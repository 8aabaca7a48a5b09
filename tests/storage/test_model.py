"""Both stores do what a dictionary does, whatever the order of calls."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gridbus.contracts import StorageBackend
from gridbus.errors import QuotaExceeded
from gridbus.storage import MemoryStorage, SQLiteStorage

T = TypeVar("T")
OWNERS = ("first", "second")
QUOTA = 60
KEYS = st.sampled_from(["a", "ab", "b", "ä"])
VALUES = st.one_of(st.integers(0, 2**64 - 1), st.text(max_size=20), st.binary(max_size=20), st.lists(st.none()))


class Model(RuleBasedStateMachine):
    """Compares a store with a dictionary per owner."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model: dict[str, dict[str, object]] = {owner: {} for owner in OWNERS}
        self.open()

    def make(self) -> StorageBackend:
        return MemoryStorage()

    def open(self) -> None:
        self.store = self.make()
        self.spaces = {owner: self.store.namespace(owner, quota=QUOTA) for owner in OWNERS}

    def run(self, call: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await call

        return self.loop.run_until_complete(awaited())

    def teardown(self) -> None:
        self.run(self.store.aclose())
        self.loop.close()

    def size(self, entries: dict[str, object]) -> int:
        return sum(len(key.encode()) + len(msgspec.msgpack.encode(value)) for key, value in entries.items())

    @rule(owner=st.sampled_from(OWNERS), key=KEYS, value=VALUES)
    def set(self, owner: str, key: str, value: object) -> None:
        after = self.model[owner] | {key: value}
        if self.size(after) > QUOTA and self.size(after) > self.size(self.model[owner]):
            with pytest.raises(QuotaExceeded):
                self.run(self.spaces[owner].set(key, value))
        else:
            self.run(self.spaces[owner].set(key, value))
            self.model[owner] = after

    @rule(owner=st.sampled_from(OWNERS), key=KEYS)
    def delete(self, owner: str, key: str) -> None:
        existed = self.model[owner].pop(key, self) is not self
        assert self.run(self.spaces[owner].delete(key)) is existed

    @rule(owner=st.sampled_from(OWNERS))
    def clear(self, owner: str) -> None:
        assert self.run(self.spaces[owner].clear()) == len(self.model[owner])
        self.model[owner].clear()

    @rule(owner=st.sampled_from(OWNERS), prefix=st.sampled_from(["", "a", "ä"]))
    def keys(self, owner: str, prefix: str) -> None:
        expected = sorted(key for key in self.model[owner] if key.startswith(prefix))
        assert self.run(self.spaces[owner].keys(prefix)) == expected

    @invariant()
    def holds_the_same(self) -> None:
        for owner, entries in self.model.items():
            space = self.spaces[owner]
            read: dict[str, Any] = {key: self.run(space.get(key, default=self)) for key in ("a", "ab", "b", "ä")}
            assert {key: value for key, value in read.items() if value is not self} == entries
            assert self.run(space.size()) == self.size(entries)


class SQLiteModel(Model):
    """The same over a file, which may be closed and opened again at any time."""

    def make(self) -> StorageBackend:
        if not hasattr(self, "folder"):
            self.folder = tempfile.TemporaryDirectory()
        return SQLiteStorage(Path(self.folder.name, "storage.db"))

    @rule()
    def reopen(self) -> None:
        self.run(self.store.aclose())
        self.open()

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


class TestMemoryModel(Model.TestCase):
    """The memory store is a dictionary with a quota."""

    settings = settings(max_examples=20, stateful_step_count=20)


class TestSQLiteModel(SQLiteModel.TestCase):
    """The SQLite store is one that outlives its process."""

    settings = settings(max_examples=15, stateful_step_count=20)

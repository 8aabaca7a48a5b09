"""Both stores, for the tests that each has to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gridbus.contracts import StorageBackend
from gridbus.storage import MemoryStorage, SQLiteStorage

MAKERS: dict[str, Callable[[Path], StorageBackend]] = {
    "memory": lambda folder: MemoryStorage(),
    "sqlite": lambda folder: SQLiteStorage(folder / "storage.db"),
    "sqlite-durable": lambda folder: SQLiteStorage(folder / "storage.db", durable=True),
}


@pytest.fixture(params=MAKERS)
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StorageBackend]:
    """Each kind of store in turn, closed after the test."""
    store = MAKERS[request.param](tmp_path)
    yield store
    await store.aclose()

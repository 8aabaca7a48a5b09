"""Key-value stores that keep plugins apart: in memory, and in a SQLite file."""

from gridbus.storage.memory import MemoryStorage
from gridbus.storage.sqlite import SQLiteStorage

__all__ = ["MemoryStorage", "SQLiteStorage"]

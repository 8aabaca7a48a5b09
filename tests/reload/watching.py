"""A watcher of files that tells what a test makes up."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from pathlib import Path
from typing import Any

import anyio


class FakeWatcher:
    """Tells of changes that a test makes up."""

    def __init__(self) -> None:
        self.folders: list[set[Path]] = []  #: of each watch
        self.open = 0
        self._send: Any = None

    async def changes(self, folders: Collection[Path]) -> AsyncGenerator[set[Path], None]:
        """Give what the test told."""
        self.folders.append(set(folders))
        self._send, receive = anyio.create_memory_object_stream[set[Path]](100)
        self.open += 1
        try:
            async for batch in receive:
                yield batch
        finally:
            self.open -= 1
            receive.close()
            self._send.close()

    def tell(self, *paths: Path) -> None:
        """Say that paths changed."""
        self._send.send_nowait(set(paths))

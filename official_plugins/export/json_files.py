"""JSON files: one array, or one object a line."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from official_plugins.export.sheet import Cells, SheetOptions


class JsonSheet:
    """Writes an object for each row, keyed by the columns' names, in UTF-8.

    Dates and times are ISO texts. JSON has no infinite numbers: they are null.
    """

    def __init__(self, options: SheetOptions, *, lines: bool) -> None:
        """Open the file; ``lines`` writes one object a line and no array around them."""
        self._names = options.names
        self._between = b"\n" if lines else b",\n"
        self._start, self._end, self._nothing = (b"", b"\n", b"") if lines else (b"[\n", b"\n]\n", b"[]\n")
        self._encoder = msgspec.json.Encoder()
        self._is_empty = True
        self._file = options.path.open("wb")

    def write(self, rows: Sequence[Cells]) -> None:
        """Add rows."""
        if not rows:
            return
        encode, names = self._encoder.encode, self._names
        objects = [encode(dict(zip(names, row, strict=True))) for row in rows]
        self._file.write(self._start if self._is_empty else self._between)
        self._file.write(self._between.join(objects))
        self._is_empty = False

    def finish(self) -> None:
        """Write the end and close the file."""
        self._file.write(self._nothing if self._is_empty else self._end)
        self._file.close()

    def abandon(self) -> None:
        """Close the file."""
        self._file.close()

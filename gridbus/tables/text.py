"""A file's text in pieces that end where lines end, in bounded memory."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from gridbus.tables.reading import Reading

MAX_LINE = 1 << 25
"""Characters that a line may have; a file with longer ones is refused before more of it is read."""

DAMAGED = "\ufffd"  # Unicode's replacement character


class Pieces:
    """Iterates over the text; ``text`` is the piece given out last, ``line`` the number of its first line.

    Bytes that are not of the encoding, and NUL, which CSV and JSON have no use for, become U+FFFD and are noted.
    """

    def __init__(self, reading: Reading, file: BinaryIO, encoding: str) -> None:
        self.text, self.line = "", 1
        self._reading, self._file = reading, file
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")

    def __iter__(self) -> Iterator[str]:
        self._file.seek(0)
        unfinished: list[str] = []
        length = 0
        for text in self._decoded():
            cut = _last_line_end(text)
            unfinished.append(text[:cut])
            if cut:
                yield self._give("".join(unfinished))
                unfinished, length = [], 0
            unfinished.append(text[cut:])
            length += len(text) - cut
            if length > MAX_LINE:
                raise self._reading.error(
                    f"a line of more than {MAX_LINE >> 20} million characters; is a line end or a quote missing?",
                    self.line + count_line_ends(self.text),
                )
        if length:
            yield self._give("".join(unfinished))

    def lines(self) -> Iterator[str]:
        """Iterate over lines, each with its end."""
        return chain.from_iterable(io.StringIO(piece, newline="") for piece in self)

    def _decoded(self) -> Iterator[str]:
        held = ""  # a carriage return, which may be half of a line end
        for block in self._reading.blocks(self._file):
            text = held + self._decoder.decode(block)
            held = "\r" if text.endswith("\r") else ""
            yield text.removesuffix("\r")
        yield held + self._decoder.decode(b"", final=True)

    def _give(self, text: str) -> str:
        self.line += count_line_ends(self.text)
        if self.line == 1:
            text = text.removeprefix("\ufeff")
        if DAMAGED in text or "\0" in text:
            for number, line in enumerate(io.StringIO(text, newline=""), self.line):
                if DAMAGED in line:
                    self._reading.note(number, "characters that could not be decoded are kept as U+FFFD")
                if "\0" in line:
                    self._reading.note(number, "NUL characters are kept as U+FFFD")
            text = text.replace("\0", DAMAGED)
        self.text = text
        return text


def count_line_ends(text: str) -> int:
    r"""Count the line ends: ``\n``, ``\r\n`` and ``\r``."""
    return text.count("\n") + (text.count("\r") - text.count("\r\n") if "\r" in text else 0)


def _last_line_end(text: str) -> int:
    """Return the position after the last line end, 0 where there is none."""
    return max(text.rfind("\n"), text.rfind("\r")) + 1


def read_sample(file: BinaryIO, encoding: str, size: int = 1 << 16) -> str:
    """Return the first whole lines of a file; ``size`` is in bytes."""
    file.seek(0)
    head = file.read(size)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head).removeprefix("\ufeff")
    return text if len(head) < size else text[: _last_line_end(text) or len(text)]

"""Which encoding a file is in: its byte order mark, UTF-8 if all of it is that, else the likeliest of the old ones."""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO

from gridbus.tables.reading import BLOCK, Reading
from gridbus.tables.text import count_line_ends

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = (
    (b"PK\x03\x04", "a zip archive or an Excel or LibreOffice workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%PDF-", "a PDF document"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\x89PNG", "an image"),
)
_CONTROL = bytes(range(9)) + bytes(range(14, 32))
_SAMPLE = 1 << 16

# The bytes beyond ASCII of Western European text in cp1252: punctuation, and letters but Icelandic ones. Such letters
# stand among ASCII ones, those of other scripts stand in a row.
_WESTERN = (frozenset(range(0xC0, 0x100)) - frozenset(b"\xd0\xdd\xde\xf0\xfd\xfe")) | frozenset(
    b"\x80\x85\x8c\x91\x92\x93\x94\x95\x96\x97\x99\x9c\x9f\xa0\xa1\xa3\xa5\xa7\xa9\xaa\xab\xae\xb0\xb1\xb2\xb4\xb5\xb7\xba\xbb\xbc\xbd\xbf"
)
_LEGACY = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949", "mac_roman", "cp437", "cp850"),
)


def find_encoding(reading: Reading, file: BinaryIO, given: str | None) -> str:
    """Return the encoding, having looked at the whole file unless it is given or there is a byte order mark.

    Raises:
        FileFormatError: the file is empty or no text, or its encoding cannot be told.
    """
    file.seek(0)
    head = file.read(_SAMPLE)
    if not head:
        raise reading.error("the file is empty; a table has a line of column names at least")
    if given is not None:
        return _known(reading, given)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    is_plain = len(head.translate(None, _CONTROL)) == len(head)
    for magic, what in _BINARY:
        if head.startswith(magic) and not is_plain:  # a column may be called PAR1
            raise reading.error(f"this is {what}, not text; write the table as CSV, TSV, JSON or JSONL")
    if wide := _wide_encoding(head):
        return wide
    if len(head.translate(None, _CONTROL)) < 0.7 * len(head):
        raise reading.error("this is no text; write the table as CSV, TSV, JSON or JSONL")
    return _utf8_or_legacy(reading, file)


def _known(reading: Reading, encoding: str) -> str:
    try:
        b" ".decode(encoding)
    except UnicodeError:
        return encoding  # one of more than a byte per character
    except (LookupError, ValueError):
        raise reading.error(f"no encoding of text is called {encoding!r}") from None
    return encoding


def _wide_encoding(head: bytes) -> str | None:
    """Return UTF-16 where every other byte is zero, as with ASCII characters."""
    pairs = len(head) // 2
    odd, even = head[1::2].count(0), head[::2].count(0)
    if pairs and odd > 0.4 * pairs and even < 0.05 * pairs:
        return "utf-16-le"
    return "utf-16-be" if pairs and even > 0.4 * pairs and odd < 0.05 * pairs else None


def _utf8_or_legacy(reading: Reading, file: BinaryIO) -> str:
    """Decide over the whole file; a few bad bytes among good UTF-8 are damage, not another encoding."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    bad_byte = 0
    good = 0  # continuation bytes of proper UTF-8
    sample = b""  # lines beyond ASCII, from the block on in which it ceases to be UTF-8
    file.seek(0)
    for block in reading.blocks(file, quiet=True):
        if not sample:
            try:
                good += len(block) - len(decoder.decode(block))
                continue
            except UnicodeDecodeError as error:
                bad_byte = file.tell() - len(error.object) + error.start
        sample += b"".join(line for line in block.splitlines(keepends=True) if not line.isascii())
        if len(sample) > _SAMPLE:
            break
    text = sample.decode("utf-8", "ignore")
    good += len(text.encode()) - len(text)
    bad = sample.decode("utf-8", "replace").count("\ufffd")
    if good >= 10 * bad:
        return "utf-8"
    line = _line_at(file, bad_byte)
    if encoding := _legacy_encoding(sample):
        hint = "which is a guess: name its encoding if letters look wrong"
        reading.note(line, f"the file is not UTF-8 and is read as {encoding}, {hint}")
        return encoding
    reading.note(line, "the file is neither UTF-8 nor of any encoding that could be told: name its encoding")
    return "utf-8"


def _line_at(file: BinaryIO, offset: int) -> int:
    """Return the line on which a byte stands."""
    line = 1
    file.seek(0)
    while block := file.read(min(BLOCK, offset)):
        line += count_line_ends(block.decode("latin-1"))
        offset -= len(block)
    return line


def _legacy_encoding(sample: bytes) -> str | None:
    beyond = re.findall(rb"[\x80-\xff]+", sample)
    in_a_row = sum(len(run) for run in beyond if len(run) > 2)
    if _WESTERN.issuperset(b"".join(beyond)) and in_a_row < 0.2 * sum(map(len, beyond)):
        return "cp1252"  # charset_normalizer prefers cp1250, and makes Polish letters of Spanish ones
    from charset_normalizer import from_bytes  # 30 ms to import, for files that are not UTF-8

    best = from_bytes(sample[:_SAMPLE], cp_isolation=list(_LEGACY)).best()
    return best.encoding if best is not None else None

"""Finding out the encoding of a file, and what happens to bytes that are not of it."""

# ruff: noqa: RUF001 - letters of other alphabets are what is tested
from __future__ import annotations

import codecs
from collections.abc import Callable

import pytest

from gridbus.errors import FileFormatError
from gridbus.tables import Table

Read = Callable[..., Table]

WESTERN = "prénom,ville\nRené,Orléans\nAimée,Besançon\nJürgen,Köln\nNúñez,A Coruña\n“Zoë”,5 €\n"
OTHERS = {
    "cp1250": "imię,miasto\nŁukasz,Łódź\nZażółć,gęślą jaźń\nMałgorzata,Wrocław\n",
    "cp1251": "имя,город\nИван,Москва\nАлександр,Санкт-Петербург\n",
    "koi8_r": "имя,город\nИван,Москва\nАлександр,Санкт-Петербург\n",
    "cp932": "名前,都市\n太郎,東京\n花子,大阪市北区\nさくら,ひらがな\n",
    "gb18030": "姓名,城市\n张伟,北京\n王芳,上海市浦东新区\n",
    "cp949": "이름,도시\n김철수,서울\n이영희,부산광역시\n",
    "cp1253": "όνομα,πόλη\nΓιώργος,Αθήνα\nΕλένη,Θεσσαλονίκη\n",
}


def rows_of(text: str) -> list[tuple[str, ...]]:
    """Return the rows that a simple text holds."""
    return [tuple(line.split(",")) for line in text.splitlines()[1:]]


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8-sig", b""),
        ("utf-16", b""),
        ("utf-32", b""),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
    ],
)
def test_unicode_is_known_by_its_mark_or_by_itself(read: Read, encoding: str, mark: bytes) -> None:
    """The mark is no part of the first name."""
    for name, content in (("t.csv", WESTERN), ("t.jsonl", '{"prénom": "René"}\n'), ("t.json", '[{"prénom": "René"}]')):
        table = read(mark + content.encode(encoding), name)
        assert table.columns[0].name == "prénom"
        assert table.rows[0][0] == "René"
        assert table.problems == ()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_known_by_its_zeros(read: Read, encoding: str) -> None:
    """Every other byte of ASCII text is one."""
    assert read("name,n\nAda,1\nBob,2\n".encode(encoding)).rows == [("Ada", 1), ("Bob", 2)]


def test_western_text_that_is_not_utf_8_is_cp1252(read: Read) -> None:
    """It is a guess, and reported as one, with the first line on which it matters."""
    table = read(("ok,fine\n" + WESTERN).encode("cp1252"))
    assert table.encoding == "cp1252"
    assert table.rows[1:] == rows_of(WESTERN)
    (problem,) = table.problems
    assert problem.line == 2
    assert "read as cp1252, which is a guess" in problem.message


@pytest.mark.parametrize("encoding", OTHERS)
def test_other_encodings_are_guessed(read: Read, encoding: str) -> None:
    """From the letters that they make."""
    table = read(OTHERS[encoding].encode(encoding))
    assert table.rows == rows_of(OTHERS[encoding])
    assert "a guess" in table.problems[0].message


def test_the_encoding_is_decided_over_the_whole_file(read: Read) -> None:
    """Letters beyond ASCII may come late."""
    table = read(("name,n\n" + "Bob,1\n" * 100_000 + "René,2\n").encode("cp1252"))
    assert table.rows[-1] == ("René", 2)
    assert table.problems[0].line == 100_002


def test_where_no_encoding_fits_characters_are_replaced(read: Read) -> None:
    """Each row is kept, and each line named."""
    table = read(b"a,b\n1," + bytes(range(128, 160)) + b"\n2,x\n")
    assert table.rows == [(1, "\ufffd" * 32), (2, "x")]
    assert [problem.line for problem in table.problems] == [2, 2]
    assert "neither UTF-8 nor of any encoding that could be told" in table.problems[0].message


def test_the_encoding_can_be_given(read: Read) -> None:
    """Then it is no guess."""
    table = read("nom\nRené\n".encode("mac_roman"), encoding="mac_roman")
    assert table.rows == [("René",)]
    assert table.problems == ()


def test_damage_in_utf_8_is_kept_as_replacement_characters(read: Read) -> None:
    """A bad byte among good ones does not make the file another encoding's; the row is kept and named."""
    good = "Zoë,Köln\n" * 40
    table = read(b"name,city\n" + good.encode() + b"Ren\xe9,\xff\n" + good.encode())
    assert table.encoding == "utf-8"
    assert table.rows[40] == ("Ren\ufffd", "\ufffd")
    assert table.rows[41] == ("Zoë", "Köln")
    assert [str(problem) for problem in table.problems] == [
        "line 42: characters that could not be decoded are kept as U+FFFD"
    ]


def test_bytes_that_are_not_of_the_given_encoding_are_reported(read: Read) -> None:
    """By line, each row being kept."""
    table = read(b"a,b\n1,\xff\n2,x\n3,\xff\n", encoding="utf-8")
    assert table.rows == [(1, "\ufffd"), (2, "x"), (3, "\ufffd")]
    assert [problem.line for problem in table.problems] == [2, 4]


def test_a_character_cut_off_by_the_end_is_reported(read: Read) -> None:
    """The last row is kept."""
    table = read("a,b\n1,é\n2,é".encode()[:-1], encoding="utf-8")
    assert table.rows == [(1, "é"), (2, "\ufffd")]
    assert table.problems[0].line == 3


@pytest.mark.parametrize("encoding", ["klingon", "hex", "a\0b"])
def test_an_encoding_that_does_not_exist_is_an_error(read: Read, encoding: str) -> None:
    """Codecs that are not of text are none."""
    with pytest.raises(FileFormatError, match="no encoding of text is called"):
        read("a,b\n1,2\n", encoding=encoding)


def test_a_column_may_be_called_like_another_format(read: Read) -> None:
    """Only bytes that no text has tell such a file."""
    assert read("PAR1,BZh\n1,2\n").rows == [(1, 2)]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04", "Excel"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PAR1\x15\x00", "Parquet"),
        (b"SQLite format 3\x00", "SQLite"),
        (bytes(range(32)) * 10, "this is no text"),
    ],
)
def test_a_file_that_is_no_text_is_an_error(read: Read, content: bytes, what: str) -> None:
    """It says what the file is, and what to write instead."""
    with pytest.raises(FileFormatError, match=rf"{what}.*write the table as CSV, TSV, JSON or JSONL"):
        read(content + b"x" * 20)

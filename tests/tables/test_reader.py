"""What holds for every file: errors of opening, progress, cancelling."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gridbus.errors import FileFormatError, FileReadError, GridError, ReadCancelled
from gridbus.tables import FileFormat, Problem, Table, read_table

Read = Callable[..., Table]
Write = Callable[..., Path]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(FileReadError, match=r"nobody\.csv: there is no such file"):
        read_table(tmp_path / "nobody.csv")


def test_a_directory_is_an_error(tmp_path: Path) -> None:
    """Also with a name like that of a file."""
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    with pytest.raises(FileReadError, match="this is a directory"):
        read_table(folder)


def test_a_device_is_an_error() -> None:
    """It may never end."""
    with pytest.raises(FileReadError, match="not a regular file"):
        read_table("/dev/zero", format=FileFormat.CSV)


def test_a_pipe_is_an_error(tmp_path: Path) -> None:
    """Opening it would wait for somebody to write to it."""
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(FileReadError, match="not a regular file"):
        read_table(tmp_path / "pipe.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_error(write: Write) -> None:
    """It is named."""
    path = write("a,b\n1,2\n")
    path.chmod(0)
    with pytest.raises(FileReadError, match="no permission to read it"):
        read_table(path)


def test_no_permission_is_told_plainly(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever the tests run as."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write("a,b\n1,2\n")
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(FileReadError, match="no permission to read it"):
        read_table(path)


def test_errors_of_opening_are_os_errors_too() -> None:
    """Whoever catches those need not know gridbus."""
    assert issubclass(FileReadError, OSError)
    assert issubclass(FileReadError, GridError)


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv.gz", "t.parquet", "t.XML"])
def test_an_unknown_type_is_an_error(read: Read, name: str) -> None:
    """The known ones are listed, and the content is not even looked at."""
    with pytest.raises(FileFormatError, match=r"unknown file type .*: known are \.csv, \.tsv, \.tab, \.json, \.jsonl"):
        read("a,b\n1,2\n", name)


def test_a_text_that_is_no_table_is_an_error(read: Read) -> None:
    """Where the name tells nothing either."""
    with pytest.raises(FileFormatError, match=r"the content is of no kind that is known: known are \.csv"):
        read("Dear Ada,\nhow are you?\n", "letter.txt")


def test_the_format_can_be_given(read: Read) -> None:
    """Then the name does not matter."""
    assert read("a,b\n1,2\n", "t.backup", format=FileFormat.CSV).rows == [(1, 2)]
    assert read("n\n1\n", "t.txt", format=FileFormat.CSV).rows == [(1,)]
    assert read('{"a": 1}', "t.json", format=FileFormat.JSONL).rows == [(1,)]


def test_names_in_capitals_are_known(read: Read) -> None:
    """As other systems write them."""
    assert read("a,b\n1,2\n", "T.CSV").format is FileFormat.CSV


def test_progress_is_told_to_the_end(write: Write) -> None:
    """Bytes and rows grow, and the last call has all of them."""
    calls: list[tuple[int, int, int]] = []
    path = write("a,b\n" + "1234567,some text\n" * 30_000)
    table = read_table(path, progress=lambda *call: calls.append(call))
    size = path.stat().st_size
    assert len(calls) > 4
    assert calls == sorted(calls)
    assert {total for _, total, _ in calls} == {size}
    assert calls[-1] == (size, size, len(table.rows)) == (size, size, 30_000)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.json"])
@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_reading_can_be_cancelled(write: Write, name: str, after: int) -> None:
    """At each stage of the work: it ends at once, with an error of its own, and the file is closed."""
    rows = {"t.csv": "a,b\n" + "12345,text\n" * 30_000, "t.jsonl": '{"a":1}\n' * 30_000}
    content = rows.get(name, "[" + ",".join(['{"a":1}'] * 30_000) + "]")
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > after

    with pytest.raises(ReadCancelled, match="reading was stopped after"):
        read_table(write(content, name), cancelled=cancelled)
    assert asked == after + 1


def test_what_cancelled_raises_is_raised(write: Write) -> None:
    """So that the check of an event loop can be passed as it is."""

    def check() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_table(write("a,b\n1,2\n"), cancelled=check)


def test_problems_are_sorted_by_line(read: Read) -> None:
    """Whatever found them."""
    table = read("a,,n\nx\n1,2,NA\n1,2,3\n")
    assert [problem.line for problem in table.problems] == [1, 1, 2]
    assert str(Problem(7, "no")) == "line 7: no"


def test_a_table_is_shown_briefly(read: Read) -> None:
    """A million rows are a number."""
    assert "rows=<2>" in repr(read("a\n1\n2\n"))

"""Every example runs: the Python blocks of README.md and docs/, and the scripts of examples/."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

PROJECT = Path(__file__).parents[2]
SECONDS = 20  #: for one program
BLOCK = re.compile(
    r"(?:^<!-- snippet: (?P<mark>[a-z]+) -->\n\s*)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
OPENING = re.compile(r"^[ \t>*+\-\d.]*```[ \t]*python", re.MULTILINE)  #: whatever its form
MARKS = {None, "continue", "syntax"}

#: compiles a page's program under the page's name and lines, and runs it as a script, ``await`` at the top included
RUNNER = """
import ast, asyncio, inspect, sys, types
page, program = sys.argv[1:]
main = sys.modules["__main__"] = types.ModuleType("__main__")
result = eval(compile(program, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), main.__dict__)
if inspect.iscoroutine(result):
    asyncio.run(result)
"""


@attrs.frozen
class Program:
    """One block, or several that continue each other, on the lines where they stand in their page."""

    page: Path
    line: int
    text: str
    runs: bool = True

    def __str__(self) -> str:
        """Name the place."""
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


def pages() -> list[Path]:
    """The pages that people read."""
    found = [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *(PROJECT / "examples").rglob("*.md")]
    return sorted(path for path in found if (PROJECT / "docs" / "api") not in path.parents)


def programs(page: Path, text: str) -> Iterator[Program]:
    """Cut a page into programs."""
    blocks = list(BLOCK.finditer(text))
    if len(blocks) != len(OPENING.findall(text)):
        raise ValueError(
            f"{page}: a Python block is indented, not closed, or has more than ```python on its first line"
        )
    current: Program | None = None
    for block in blocks:
        line = text.count("\n", 0, block.start("code")) + 1
        mark = block["mark"]
        if mark not in MARKS:
            raise ValueError(f"{page}:{line}: unknown mark {mark!r}; write continue or syntax")
        if mark == "continue" and current is not None:
            gap = line - 1 - current.text.count("\n")
            current = attrs.evolve(current, text=current.text + "\n" * gap + block["code"])
            continue
        if current is not None:
            yield current
        current = Program(page, line, "\n" * (line - 1) + block["code"], runs=mark != "syntax")
    if current is not None:
        yield current


def all_programs() -> list[Program]:
    """The programs of all pages."""
    return [program for page in pages() for program in programs(page, page.read_text(encoding="utf-8"))]


def run(command: list[str], folder: Path) -> None:
    """Run a program in an empty folder; what it writes is shown if it fails."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("program", all_programs(), ids=str)
def test_each_python_block_of_the_docs_runs(program: Program, tmp_path: Path) -> None:
    """A block runs by itself, or after those that it continues; one marked ``syntax`` is only compiled."""
    if program.runs:
        run(["-c", RUNNER, str(program.page), program.text], tmp_path)
    else:
        compile(program.text, str(program), "exec", flags=0x2000, dont_inherit=True)  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@pytest.mark.parametrize("script", sorted((PROJECT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_each_example_runs(script: Path, tmp_path: Path) -> None:
    """An example needs no argument, writes into the current folder, and ends by itself."""
    run([str(script)], tmp_path)


def test_readme_has_an_example() -> None:
    """The first thing that a reader copies is among those that run."""
    assert any(program.page.name == "README.md" and program.runs for program in all_programs())


def test_blocks_keep_their_lines_and_marks() -> None:
    """A traceback names the page's own line; a continued block sees the names of the one before."""
    text = "# Page\n\n```python\na = 1\n```\n\n<!-- snippet: continue -->\n```python\nassert a == 1\n```\n\n" + (
        "<!-- snippet: syntax -->\n\n```python\nno = body\n```\n"
    )
    first, second = programs(PROJECT / "page.md", text)
    assert first.text.splitlines() == ["", "", "", "a = 1", "", "", "", "", "assert a == 1"]
    assert (first.runs, second.runs, second.line) == (True, False, 15)


@pytest.mark.parametrize("text", ["- item\n  ```python\n  1\n  ```\n", "```python\n1\n", "```python title\n1\n```\n"])
def test_a_block_that_would_be_passed_over_is_an_error(text: str) -> None:
    """No block escapes by its form."""
    with pytest.raises(ValueError, match=r"page\.md"):
        list(programs(PROJECT / "page.md", text))


def test_a_failing_block_fails_and_names_its_line(tmp_path: Path) -> None:
    """The runner hides no error, in plain code or after an ``await``."""
    await_and_fail = "\n\nimport asyncio\nawait asyncio.sleep(0)\nassert False, 'seen'\n"
    with pytest.raises(AssertionError, match=r'(?s)"page.md", line 5.*seen'):
        run(["-c", RUNNER, "page.md", await_and_fail], tmp_path)

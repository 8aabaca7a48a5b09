"""The code of a bundle, as Python itself would compile it."""

from __future__ import annotations

import importlib.util
import marshal
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType

import pytest

from gridbus.bundles import Bundle, PackedImporter, SourceFile, read_bundle

Write = Callable[[dict[str, str | bytes]], Path]

ENCODED = {
    "utf-8": "WORD = 'größer'\n".encode(),
    "BOM": b"\xef\xbb\xbfWORD = 'gr\xc3\xb6\xc3\x9fer'\n",
    "latin-1": "# -*- coding: latin-1 -*-\nWORD = 'größer'\n".encode("latin-1"),
    "in the second line": "#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\nWORD = 'größer'\n".encode("cp1252"),
    "CRLF": "WORD = 'gr\u00f6\u00dfer'\r\n".encode(),
}
BROKEN = {
    "no Python": b"VALUE = 1\ndef f(:\n    pass\n",
    "half a file": b"VALUE = {\n    'a': 1,\n",
    "not in UTF-8": b"WORD = 'gr\xf6\xdfer'\n",
    "an encoding that does not exist": b"# coding: klingon\nVALUE = 1\n",
    "a BOM and another encoding": b"\xef\xbb\xbf# coding: latin-1\nVALUE = 1\n",
    "null bytes": b"VALUE = 1\n\0\0\0\n",
    "mixed indents": b"if 1:\n        a = 1\n\tb = 2\n",
}


@pytest.mark.parametrize("data", ENCODED.values(), ids=ENCODED.keys())
def test_encodings_are_read_as_python_reads_them(write: Write, data: bytes) -> None:
    """By BOM, by a comment in the first two lines, else as UTF-8."""
    folder = write({"plugin.py": data})
    spec = importlib.util.spec_from_file_location("encoded", folder / "plugin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, str] = {}
    exec(read_bundle(folder).code("plugin.py"), found)
    assert found["WORD"] == module.WORD == "größer"


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_python_is_a_syntax_error_in_the_authors_file(write: Write, data: bytes) -> None:
    """Whatever is wrong, file and line are named, where Python knows the line; in another process when it is imported.

    The folder's other files are none the worse for it.
    """
    folder = write({"parts/words.py": data, "plugin.py": "class Plugin: ...\n"})
    bundle = read_bundle(folder)
    packed = PackedImporter("gridbus_plugin_broken", folder, bundle.packed())
    asking = (lambda: bundle.code("parts/words.py"), lambda: packed.import_entry("parts.words:WORD"))
    try:
        for ask in asking:
            with pytest.raises(SyntaxError) as caught:
                ask()
            assert caught.value.filename == str(folder / "parts/words.py")
        assert packed.import_entry("plugin:Plugin").__name__ == "Plugin"
    finally:
        packed.unload()


def test_a_syntax_error_names_the_line(write: Write) -> None:
    """The author sees it in the place where they look."""
    with pytest.raises(SyntaxError) as caught:
        read_bundle(write({"plugin.py": BROKEN["no Python"]})).code("plugin.py")
    assert caught.value.lineno == 2


def test_code_takes_no_future_imports_from_here(write: Write) -> None:
    """``annotations`` holds for gridbus's own files, not for the plugin's."""
    found: dict[str, object] = {}
    exec(read_bundle(write({"plugin.py": "def f(a: int): ..."})).code("plugin.py"), found)
    assert found["f"].__annotations__ == {"a": int}  # type: ignore[attr-defined]


def test_code_is_compiled_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is that of the file by its full name."""
    folder = write({"plugin.py": "VALUE = 1\n"})
    bundle = read_bundle(folder)
    code = bundle.code("plugin.py")
    assert isinstance(code, CodeType)
    assert code.co_filename == str(folder / "plugin.py")
    assert bundle.code("plugin.py") is code


def test_packed_code_is_that_of_each_file_of_code(write: Write) -> None:
    """In bytes, by path; the manifest is none of it."""
    bundle = read_bundle(write({"plugin.py": "VALUE = 7\n", "parts/__init__.py": "", "gridbus-plugin.toml": ""}))
    packed = bundle.packed()
    assert packed.keys() == {"plugin.py", "parts/__init__.py"}
    assert marshal.loads(packed["plugin.py"]) == bundle.code("plugin.py")


def test_a_bundle_is_short_to_look_at(write: Write) -> None:
    """In logs and in failing tests, contents are not shown."""
    bundle = read_bundle(write({"plugin.py": "VALUE = 1\n" * 1_000, "words.txt": ""}))
    assert len(repr(bundle)) < 300
    assert len(repr(bundle.files["plugin.py"])) < 150
    assert bundle != Bundle(bundle.folder, bundle.files, bundle.data, bundle.digest)
    assert SourceFile("a.py", b"", b"") == SourceFile("a.py", b"", b"", (0, 0, 0, 0, 0), True)


def test_kept_bundles_cost_what_differs(write: Write) -> None:
    """A hundred generations of which one file changed share all others."""
    folder = write({f"m{number}.py": f"VALUE = {number}\n" + "# a line\n" * 1_000 for number in range(20)})
    kept = [read_bundle(folder)]
    for number in range(100):
        write({"m0.py": f"VALUE = {number}\n"})
        kept.append(read_bundle(folder, known=kept[-1]))
    datas = {id(file.data): len(file.data) for bundle in kept for file in bundle.files.values()}
    assert len(datas) <= 20 + 100
    assert sum(datas.values()) < 20 * 10_000 + 100 * 100
    assert all(sys.getsizeof(bundle.files) < 2_000 for bundle in kept)

"""The code of one generation of a plugin, in memory."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from pathlib import Path
from types import CodeType

import attrs

from gridbus.bundles.settling import Stamp


@attrs.frozen
class SourceFile:
    """One file of code, or the manifest, as it was read."""

    path: str  #: below the bundle's folder, with slashes
    data: bytes = attrs.field(repr=lambda data: f"<{len(data):,} bytes>")
    digest: bytes = attrs.field(repr=bytes.hex)  #: SHA-256 of the data
    stamp: Stamp | None = attrs.field(default=None, eq=False, repr=False)  #: of the file, when it was read
    is_sure: bool = attrs.field(default=False, eq=False, repr=False)  #: nothing can have changed under that stamp
    compiled: dict[str, CodeType] = attrs.field(factory=dict, eq=False, repr=False)
    """By file name; shared by all that were read from the same content."""


@attrs.frozen(eq=False)
class Bundle:
    """A folder's code as it was at one moment.

    An unchanged file is shared with the bundle that was known when this one was read, its code too, so that to keep
    earlier bundles costs what differs.
    """

    folder: Path  #: absolute; links are not resolved, so that people find the files under the names they gave them
    files: Mapping[str, SourceFile] = attrs.field(repr=lambda files: f"<{len(files)}>")
    """The files of code and the manifest, by path, sorted."""
    data: Mapping[str, tuple[int, int]] = attrs.field(repr=lambda data: f"<{len(data)}>")
    """Size and mtime in ns of each other file, by path, sorted; their contents stay on the disk."""
    digest: str  #: over names and contents of the files, and names, sizes and times of the data; hexadecimal
    missed: dict[str, float] = attrs.field(factory=dict, repr=False)
    """Files that a later reading did not find, and when (monotonic) it missed them first."""

    def code(self, path: str) -> CodeType:
        """Return the compiled code of a file.

        Raises:
            SyntaxError: it is not Python; names the author's file.
        """
        file = self.files[path]
        name = str(self.folder / path)
        code = file.compiled.get(name)
        if code is None:
            code = file.compiled.setdefault(name, compile_source(file.data, name))
        return code

    def packed(self) -> dict[str, bytes]:
        """Return the compiled code of all files as bytes, for another process of the same interpreter.

        Of a file that is no Python that is its source, since nobody may ever import it; whoever does gets the error.
        """
        return {path: marshal.dumps(self._code_or_source(path)) for path in self.files if path.endswith(".py")}

    def changed_since(self, other: Bundle) -> tuple[str, ...]:
        """Return the paths that were added, changed or removed between ``other`` and this bundle, sorted."""
        now, then = self._contents(), other._contents()
        return tuple(sorted(path for path in now.keys() | then.keys() if now.get(path) != then.get(path)))

    def _contents(self) -> Mapping[str, object]:
        return {**{path: file.digest for path, file in self.files.items()}, **self.data}

    def _code_or_source(self, path: str) -> CodeType | bytes:
        try:
            return self.code(path)
        except SyntaxError:
            return self.files[path].data


def compile_source(data: bytes, name: str) -> CodeType:
    """Return the code of a file's content.

    Raises:
        SyntaxError: it is not Python; names the file.
    """
    try:
        code: CodeType = compile(data, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        if isinstance(error, SyntaxError) and error.filename:
            raise
        # of null bytes Python says neither file nor line, and some versions say it by a ValueError
        line = data[: data.find(b"\0") + 1].count(b"\n") + 1
        raise SyntaxError(str(error), (name, line, None, None)) from None
    return code

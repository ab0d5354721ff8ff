"""Where models become modules and answer their golden questions. What has the same content is not made again.

A bundle that is built once has a workshop of its own. Whoever builds again and again keeps one: then a build costs what
has changed, and files that lie still are not even read.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from edge_sdk.errors import TransferError
from firmware_tools.bundle import golden
from firmware_tools.bundle.engine_process import edge_sdk
from firmware_tools.bundle.manifest import FileEntry, Golden
from firmware_tools.bundle.module_facts import ModuleFacts
from firmware_tools.bundle.writer import Content

#: Size, time of writing, time of any change, number: a file where all four are the same was not written meanwhile.
Signature = tuple[int, int, int, int]


def signature_of(path: Path) -> Signature | None:
    """Return what changes when a file is written or replaced; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class Workshop:
    """A folder to work in, and the memory of what was made there.

    Args:
        folder: must live until what was built is written or sent.
        run: runs a command of edge-sdk; see `engine_process.edge_sdk`.
    """

    def __init__(self, folder: Path, run: Callable[..., None] = edge_sdk) -> None:
        self.folder, self.run = folder, run
        self._entries: dict[Path, tuple[Signature, FileEntry]] = {}
        self._modules: set[Path] = set()
        self._answers: dict[tuple[str, Path], tuple[Golden, list[Content]]] = {}

    def module(self, source: Path) -> Path:
        """Return a model as a module.

        Raises:
            TransferError: it was written while it was converted.
            EdgeError: it cannot be converted.
        """
        if source.suffix == ".wasm":
            return source
        before = self._hash(source)
        mark = hashlib.sha256(f"{source.name}\0{before}".encode("utf-8", "surrogateescape")).hexdigest()
        module = self.folder / mark[:32] / f"{source.stem}.wasm"
        if module not in self._modules:
            module.parent.mkdir(exist_ok=True)
            self.run("convert", source.absolute(), "-o", module, folder=self.folder)
            if self._hash(source) != before:
                raise TransferError(f"{source}: changed while it was converted", hint="run the same command again")
            self._modules.add(module)
        return module

    def answers(self, place: str, module: Path, facts: ModuleFacts) -> tuple[Golden, list[Content]]:
        """Return the golden vector of a module, whose path in the bundle is `place`, and the files of its answers."""
        key = place, self.folder / f"answers-{self._hash(module)[:32]}"
        if key not in self._answers:
            key[1].mkdir(exist_ok=True)
            self._answers[key] = golden.record(place, module, facts, key[1], self.run)
        return self._answers[key]

    def entries(self, contents: Iterable[Content]) -> tuple[FileEntry, ...]:
        """Return the lines of the manifest, in its order; files that lie still are read once."""
        return tuple(self._entry(content) for content in sorted(contents, key=lambda one: one.path))

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """Give an empty folder; it vanishes."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            yield Path(name)

    def _hash(self, path: Path) -> str:
        return self._entry(Content("", "model", path)).sha256

    def _entry(self, content: Content) -> FileEntry:
        if isinstance(content.source, bytes):
            return content.entry()
        path = Path(os.path.abspath(content.source))
        signature, known = signature_of(path), self._entries.get(path)
        if known is None or known[0] != signature:
            entry = content.entry()
            if signature is None:
                return entry
            known = self._entries[path] = (signature, entry)
        return replace(known[1], path=content.path, role=content.role)

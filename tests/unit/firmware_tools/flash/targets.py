"""What the tests of reaching a target share: wheels, a small device side, receivers spoken to by hand."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from firmware_tools.flash.folder import FolderTransport
from firmware_tools.flash.link import ReceiverLink, open_link
from firmware_tools.flash.receiver_program import receiver_program, receiver_words
from firmware_tools.update.receiver import HELLO
from firmware_tools.update.site import site_id

HEADER = struct.Struct(">cI")

#: A device side that needs nothing: its verbs answer, complain, chatter and wait.
SMALL_AGENT = {
    "edge_sdk/__init__.py": "",
    "edge_sdk/errors.py": """
class EdgeError(Exception):
    def __init__(self, message, hint=""):
        super().__init__(message)
        self.message, self.hint = message, hint
class BusyError(EdgeError): pass
class BrandNewError(EdgeError): pass
""",
    "firmware_tools/__init__.py": "",
    "firmware_tools/update/__init__.py": "",
    "firmware_tools/update/layout.py": """
class Layout:
    def __init__(self, root):
        self.root = root
""",
    "firmware_tools/update/verbs.py": """
import os, subprocess, sys, time
from edge_sdk import errors
class LocalBusyError(errors.BusyError): pass
def dispatch(layout, verb, arguments):
    if verb == "facts":
        return {"root": str(layout.root), "from": __file__, "arguments": arguments}
    if verb == "logs":
        print("chatter"); sys.stdout.flush()
        os.write(1, b"J" * 100)
        subprocess.run(["sh", "-c", "echo from a child; cat"])
        return "quiet"
    if verb == "status":
        raise getattr(errors, arguments["class"])("in maintenance", hint="later")
    if verb == "check":
        raise LocalBusyError("derived")
    if verb == "have":
        return [1 / 0]
    if verb == "verify":
        return {"not": {"json"}}
    if verb == "confirm":
        sys.exit(3)
    if verb == "collect":
        time.sleep(arguments["seconds"])
    return {}
""",
}


def wheel_bytes(files: Mapping[str, str | bytes], executable: Iterable[str] = ()) -> bytes:
    """A zip archive with these files."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o100755 if name in executable else 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return memory.getvalue()


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def add_wheel(store: Path, name: str, data: bytes) -> tuple[str, str]:
    """Put a wheel in a store; return its name and hash."""
    store.mkdir(parents=True, exist_ok=True)
    (store / sha256_of(data)).write_bytes(data)
    return name, sha256_of(data)


def add_site(root: Path, files: Mapping[str, str]) -> str:
    """Put a site under a root, as if it had been made there."""
    wheel = ("agent-1-py3-none-any.whl", sha256_of(repr(sorted(files.items())).encode()))
    site = site_id([wheel])
    folder = root / "opt/edge-sdk/sites" / site
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    hashes = {name: sha256_of(text.encode()) for name, text in files.items()}
    (folder / "wheels.json").write_text(json.dumps({"files": hashes, "wheels": dict([wheel])}))
    return site


def link_to(root: Path) -> ReceiverLink:
    transport = FolderTransport(root)
    return open_link(transport, transport.probe())


class RawReceiver:
    """A receiver that is spoken to frame by frame. `with` closes its pipes and waits."""

    def __init__(self, root: Path, *, python: tuple[str, ...] = (), program: bytes | None = None) -> None:
        words = receiver_words(sys.executable, str(root))
        if python:
            words = [*python, *words[1:]]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in, self._out = self.process.stdin, self.process.stdout
        self._in.write(program or receiver_program())
        self._in.flush()
        assert self._out.readline() == HELLO
        self.hello = self.answer()

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        self._in.write(HEADER.pack(kind, len(payload)) + payload)
        self._in.flush()

    def send_raw(self, data: bytes) -> None:
        self._in.write(data)
        self._in.flush()

    def ask(self, op: str, **fields: Any) -> Any:
        self.send(b"J", json.dumps({"op": op, **fields}).encode())
        return self.answer()

    def frame(self) -> tuple[bytes, bytes]:
        """The next one; (b"", b"") at the end."""
        head = self._out.read(HEADER.size)
        if not head:
            return b"", b""
        kind, size = HEADER.unpack(head)
        return kind, self._out.read(size)

    def answer(self) -> Any:
        while True:
            kind, payload = self.frame()
            if kind != b"B":
                assert kind == b"J", kind
                return json.loads(payload)

    def end(self) -> tuple[int, str]:
        """Close its input; return its exit code and what it wrote to stderr."""
        self._in.close()
        code = self.process.wait(20)
        assert self.process.stderr is not None
        return code, self.process.stderr.read().decode()

    def __enter__(self) -> RawReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(20)
        for pipe in (self._in, self._out, self.process.stderr):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

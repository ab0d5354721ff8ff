"""The program that an operator starts on a target. Its text is sent there, so only the standard library is used here.

    frame:   kind (1 byte) | length (4 bytes, big-endian) | payload
    J        JSON: a question {"op": ...}, or an answer {"ok": ...} {"error": {class, message, hint}} {"at": bytes}
    D        bytes of a blob; an empty one ends it
    B        a heartbeat, of whoever is at work or thinking: silence means that the connection is lost

It carries bytes, keeps the lock while the connection lives, and hands every decision to the device's side, which it
imports from the installed packages (`load_agent`). It may be killed anywhere: what appears is whole, because it was
written beside, brought to the disk and renamed; what is half done is a `.part` and goes on there the next time.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib
import importlib.machinery
import json
import os
import re
import select
import signal
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from firmware_tools.update.incoming import Part, Refused, check_room, make_folder, sync_folder
from firmware_tools.update.unpacked import is_whole, make_site

#: Comes before the first frame: shells of a login may have talked before.
HELLO = b"edge-sdk-receiver 1\n"
JSON, DATA, BEAT = b"J", b"D", b"B"
HEADER = struct.Struct(">cI")
MOST_JSON = 16 << 20
MOST_DATA = 1 << 20
MOST_BLOB = 8 << 30
MOST_HASHES = 8192
MOST_LAUNCH = 1 << 16
#: An operator who is there says so more often than this.
IDLE_S = 60.0
BEAT_S = 2.0

#: Verbs that write nothing, and so need no lock.
READING = frozenset({"check", "facts", "have", "logs", "status", "verify"})
AGAIN = "run the same command again; it goes on where it stopped"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SITE = re.compile(r"[0-9a-f]{16}")


class Gone(Exception):  # noqa: N818 - no error: the operator has left
    """The connection has ended."""


class Told(Exception):  # noqa: N818 - no error: its answer has been sent
    """The operator knows already how it ended."""


class Wire:
    """Frames on two pipes."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._in, self._out = incoming, outgoing
        self._lock = threading.Lock()

    def receive(self) -> tuple[bytes, bytes]:
        """Return the next frame that is no heartbeat.

        Raises:
            Gone: the operator has.
            Refused: that was no frame.
        """
        while True:
            kind, size = HEADER.unpack(self._read(HEADER.size))
            if size > {JSON: MOST_JSON, DATA: MOST_DATA, BEAT: 0}.get(kind, -1):
                raise Refused("UsageError", f"the receiver got a frame of kind {kind!r} with {size:,} bytes")
            payload = self._read(size)
            if kind != BEAT:
                return kind, payload

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        left = memoryview(HEADER.pack(kind, len(payload)) + payload)
        with self._lock:
            while left:
                left = left[os.write(self._out, left) :]

    def send_json(self, value: object) -> None:
        self.send(JSON, _encoded(value))

    def greet(self, value: object) -> None:
        os.write(self._out, HELLO)
        self.send_json(value)

    def _read(self, size: int) -> bytes:
        parts, left = [], size
        while left:
            if not select.select([self._in], [], [], IDLE_S)[0]:
                raise Gone
            data = os.read(self._in, min(left, 1 << 16))
            if not data:
                raise Gone
            parts.append(data)
            left -= len(data)
        return b"".join(parts)


class Receiver:
    """What can be asked, and what has been done so far."""

    def __init__(self, root: str, wire: Wire) -> None:
        self._root, self._wire = os.path.abspath(root), wire
        self._home = os.path.join(self._root, "opt/edge-sdk")
        self._store = os.path.join(self._home, "store")
        self._sites = os.path.join(self._home, "sites")
        self._agent = os.path.join(self._home, "agent")
        self._lock_file = os.path.join(self._root, "var/lib/edge-sdk/lock")
        self._locked: int | None = None
        self._loaded: str | None = None
        self._dispatch: Callable[[str, Any], Any] = _nothing_loaded
        self._ops: dict[str, Callable[[dict[str, Any]], object]] = {
            "call": self._call,
            "load_agent": self._load_agent,
            "lock": self._lock,
            "make_site": self._make_site,
            "put": self._put,
            "set_agent": self._set_agent,
            "stored": self._stored,
        }

    def serve(self) -> None:
        """Answer until the operator leaves."""
        installed = os.path.basename(_link_target(self._agent))
        python = ".".join(map(str, sys.version_info[:3]))
        self._wire.greet({"agent": installed if _SITE.fullmatch(installed) else "", "python": python})
        with contextlib.suppress(Gone):
            while True:
                try:
                    kind, payload = self._wire.receive()
                    message = _message(kind, payload)
                except Refused as refused:
                    self._wire.send_json(_complaint(refused))
                    return  # nobody knows where the next frame begins
                with contextlib.suppress(Told), self._beating():
                    self._wire.send(JSON, self._answer(message))

    def _answer(self, message: dict[str, Any]) -> bytes:
        try:
            op = self._ops.get(_text(message, "op"))
            if op is None:
                raise Refused("UsageError", f"the receiver knows no {message['op'][:80]!r}")
            answer = _encoded({"ok": op(message)})
            if len(answer) > MOST_JSON:
                raise Refused(
                    "VerificationError", f"the answer has {len(answer):,} bytes, at most {MOST_JSON:,} are sent"
                )
            return answer
        except (Gone, Told):
            raise
        except Exception as fault:
            return _encoded(_complaint(fault))

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        """Give signs of life while something is done. An operator who is gone ends this program here (SIGPIPE)."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(BEAT_S):
                self._wire.send(BEAT)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    # -- the lock --------------------------------------------------------------------------------------------------

    def _lock(self, message: dict[str, Any]) -> None:
        owner = " ".join(_text(message, "owner", 200).split())
        if self._locked is not None:
            return
        for place in (self._store, self._sites, self._lock_file):
            self._check_inside(place)
            make_folder(os.path.dirname(place))
        # Not for others to read: whoever can open a file can lock it, and keep every update away.
        handle = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 4096)
            os.close(handle)
            raise Refused(
                "BusyError", _busy(holder), "wait until that is done, then run the same command again"
            ) from None
        text = {"owner": owner, "pid": os.getpid(), "utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        self._locked = handle
        with contextlib.suppress(OSError):  # a courtesy to those who will be refused
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(text).encode() + b"\n", 0)

    def _check_inside(self, place: str) -> None:
        """Refuse a folder that stands for `/` and has a link to the outside where we would write."""
        root, real = os.path.realpath(self._root), os.path.realpath(place)
        if os.path.commonpath([root, real]) != root:
            raise Refused("SafetyError", f"{place}: leads to {real}, outside of {root}")

    def _need_lock(self) -> None:
        if self._locked is None:
            raise Refused("UsageError", "nothing is changed without the lock")

    # -- blobs -----------------------------------------------------------------------------------------------------

    def _stored(self, message: dict[str, Any]) -> dict[str, int]:
        hashes = message.get("hashes")
        if not isinstance(hashes, list) or len(hashes) > MOST_HASHES:
            raise Refused("UsageError", f"expected at most {MOST_HASHES} hashes")
        return {sha256: self._present(sha256) for sha256 in map(_sha256, hashes)}

    def _present(self, sha256: str) -> int:
        path = os.path.join(self._store, sha256)
        size = _size(path)
        # A part may have all its bytes and not have been checked yet, so it never counts as all there.
        return size if size >= 0 else max(0, _size(f"{path}.part") - 1)

    def _put(self, message: dict[str, Any]) -> int:
        """Take a blob. Once `at` was sent, an error is sent at once and the rest of the blob passes by unread."""
        sha256, size = _sha256(message.get("sha256")), _count(message, "size", MOST_BLOB)
        self._need_lock()
        make_folder(self._store)
        path = os.path.join(self._store, sha256)
        if _size(path) >= 0:
            if _size(path) != size:
                raise Refused(
                    "VerificationError", f"blob {sha256[:16]}...: is there with {_size(path):,} bytes, not {size:,}"
                )
            self._wire.send_json({"at": size})
            self._pass_by()
            return size
        with Part(f"{path}.part", size) as part:
            check_room(self._store, size - part.at, "for what is sent")
            self._wire.send_json({"at": part.at})
            try:
                self._take(part)
            except (Refused, OSError) as fault:
                self._wire.send_json(_complaint(fault))
                self._pass_by()
                raise Told from None
            if part.at != size:
                raise Refused("TransferError", f"a blob ended after {part.at:,} of {size:,} bytes", AGAIN)
            part.finish(path, sha256)
        return size

    def _take(self, part: Part) -> None:
        while data := self._data():
            part.add(data)
            self._wire.send_json({"at": part.at})

    def _pass_by(self) -> None:
        while self._data():
            pass

    def _data(self) -> bytes:
        kind, payload = self._wire.receive()
        if kind != DATA:
            raise Gone  # an operator that has lost the thread is as good as none
        return payload

    # -- sites and the device's side -------------------------------------------------------------------------------

    def _make_site(self, message: dict[str, Any]) -> None:
        self._need_lock()
        wheels = message.get("wheels")
        if not isinstance(wheels, list) or not all(_is_pair(one) for one in wheels):
            raise Refused("UsageError", "expected wheels as pairs of name and hash")
        make_folder(self._sites)
        # What a folder stands for may have another Python than this one.
        pairs = [(name, sha256) for name, sha256 in wheels]
        make_site(self._sites, self._store, _text(message, "site"), pairs, compiled=self._root == "/")

    def _load_agent(self, message: dict[str, Any]) -> None:
        site = _site(message)
        if self._loaded == site:
            return
        if self._loaded is not None:
            raise Refused("UsageError", "the device's side was loaded from another site; connect again")
        folder = os.path.realpath(os.path.join(self._sites, site)) if site else ""
        if folder and not is_whole(folder):
            raise Refused(
                "SafetyError", f"the target has no site {site} to load the device's side from", "edge-sdk flash"
            )
        with _importing_from(folder):
            verbs = importlib.import_module("firmware_tools.update.verbs")
            layout = importlib.import_module("firmware_tools.update.layout")
            root = importlib.import_module("pathlib").Path(self._root)
        self._loaded, self._dispatch = (
            site,
            lambda verb, arguments: verbs.dispatch(layout.Layout(root), verb, arguments),
        )

    def _set_agent(self, message: dict[str, Any]) -> None:
        self._need_lock()
        site, launch = _site(message), _text(message, "launch", MOST_LAUNCH)
        if not launch.startswith("#!/bin/sh\n"):
            raise Refused("UsageError", "expected a shell script for `launch`")
        if site and not is_whole(os.path.join(self._sites, site)):
            raise Refused("SafetyError", f"the target has no site {site} that could become the device's side")
        _write(os.path.join(self._home, "launch"), launch.encode(), 0o755)
        if site and _link_target(self._agent) != f"sites/{site}":
            beside = os.path.join(self._home, ".part-agent")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            os.symlink(f"sites/{site}", beside)
            os.rename(beside, self._agent)
        elif not site and os.path.islink(self._agent):
            os.unlink(self._agent)
        sync_folder(self._home)

    def _call(self, message: dict[str, Any]) -> Any:
        verb = _text(message, "verb", 80)
        if verb not in READING:
            self._need_lock()
        try:
            return self._dispatch(verb, message.get("arguments"))
        except (SystemExit, KeyboardInterrupt) as fault:
            raise Refused("VerificationError", f"{verb}: the device's side ended itself: {fault!r}") from None


@contextlib.contextmanager
def _importing_from(folder: str) -> Iterator[None]:
    """Import the device's side from a folder and nowhere else, "" for the packages of this Python.

    Raises:
        Refused: it cannot be imported; another folder may be tried.
    """
    path, finders, before = list(sys.path), list(sys.meta_path), set(sys.modules)
    if folder:
        # What a developer has installed "editable" would come before any folder.
        machinery = importlib.machinery
        plain = (machinery.BuiltinImporter, machinery.FrozenImporter, machinery.PathFinder)
        sys.meta_path[:] = [finder for finder in finders if finder in plain]
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
        came_from = os.path.realpath(sys.modules["firmware_tools.update.verbs"].__file__ or "")
        if folder and not came_from.startswith(f"{folder}/"):
            raise ImportError(f"{came_from} took its place")
    except Exception as fault:
        sys.path[:], sys.meta_path[:] = path, finders
        for name in set(sys.modules) - before:
            del sys.modules[name]
        where = folder or f"the packages of {sys.executable}"
        text = f"the device's side cannot be loaded from {where}: {type(fault).__name__}: {fault}"
        raise Refused("SafetyError", text, "flash a bundle that has wheels for this device") from None


def _nothing_loaded(verb: str, _arguments: object) -> Any:
    raise Refused("UsageError", f"{verb}: the device's side is not loaded yet")


def _busy(holder: bytes) -> str:
    try:
        said = json.loads(holder)
        return f"the target is being changed by {said['owner']} since {said['utc']} (process {said['pid']} there)"
    except (ValueError, TypeError, KeyError):
        return "the target is being changed by someone else"


def _complaint(fault: BaseException) -> dict[str, dict[str, str]]:
    kind, message, hint = _told(fault)
    return {"error": {"class": kind, "message": message[:4000], "hint": hint[:1000]}}


def _told(fault: BaseException) -> tuple[str, str, str]:
    """Return (class, message, hint) for the operator."""
    if isinstance(fault, Refused):
        return fault.kind, fault.message, fault.hint
    for kind in type(fault).__mro__:
        if kind.__module__ == "edge_sdk.errors":
            return kind.__name__, str(getattr(fault, "message", fault)), str(getattr(fault, "hint", ""))
    if isinstance(fault, OSError):
        text = f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror or str(fault)
        if isinstance(fault, PermissionError) or fault.errno == errno.EROFS:
            return "AccessDeniedError", text, ""
        hint = "free some space on the target" if fault.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return "TransferError", text, f"{hint}, then {AGAIN}" if hint else AGAIN
    place = fault.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" ({os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno})" if place else ""
    return "VerificationError", f"the device's side failed: {type(fault).__name__}: {fault}{where}", ""


def _message(kind: bytes, payload: bytes) -> dict[str, Any]:
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        message = None
    if kind != JSON or not isinstance(message, dict):
        raise Refused("UsageError", "the receiver got something that is no question")
    return message


def _encoded(value: object) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def _text(message: dict[str, Any], key: str, most: int = 4096) -> str:
    value = message.get(key)
    if not isinstance(value, str) or len(value) > most:
        raise Refused("UsageError", f"expected text of at most {most} characters as {key!r}")
    return value


def _count(message: dict[str, Any], key: str, most: int) -> int:
    value = message.get(key)
    if type(value) is not int or not 0 <= value <= most:
        raise Refused("UsageError", f"expected a whole number from 0 to {most:,} as {key!r}")
    return value


def _site(message: dict[str, Any]) -> str:
    site = _text(message, "site")
    if site and not _SITE.fullmatch(site):
        raise Refused("UsageError", f"{site[:80]!r} is no site")
    return site


def _sha256(value: object) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise Refused("UsageError", f"{str(value)[:80]!r} is no SHA-256 in 64 hexadecimal digits")
    return value


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) for one in value)


def _size(path: str) -> int:
    """Return the size of a regular file, -1 for none."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1


def _link_target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _write(path: str, data: bytes, mode: int) -> None:
    """Replace a file, whole or not at all."""
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".part-{name}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    with open(beside, "xb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    os.rename(beside, path)
    sync_folder(folder)


def main(root: str) -> None:
    """Serve the operator on standard input and output; returns when they are gone."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.umask(0o022)
    sys.dont_write_bytecode = True  # a site is never changed
    incoming, outgoing = os.dup(0), os.dup(1)
    # What is imported later may print, and start programs that outlive us: neither may touch the frames.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    os.chdir("/")
    Receiver(root, Wire(incoming, outgoing)).serve()

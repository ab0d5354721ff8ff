"""Wheels, unpacked into a site on a target that has nothing but Python: only the standard library is used here.

    store/SHA256, store/SHA256   re-hashed, looked at whole before a byte is written
        `-> sites/.part-ID-x/    every file, then wheels.json; all of it on the disk
            `-> sites/ID         by one rename

On a machine the modules are compiled as well, and belong to the site like everything else in it: a service whose user
may not write here would compile them at each start, which doubles the time it takes. They are never compared with
their sources (PEP 552, unchecked), which never change.

A wheel is a zip archive that may come from an enemy: no name leads outside or meets another one, nothing is a link,
and what it unpacks to is bounded. Of `NAME.data/` only purelib and platlib are taken (binary distribution format).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, NamedTuple

from firmware_tools.update.incoming import CHUNK_BYTES, Refused, check_room, sync_folder

INDEX = "wheels.json"
PART = ".part-"
MOST_INDEX_BYTES = 64 << 20
MOST_SITE_BYTES = 4 << 30
MOST_FILES = 100_000
#: Names of all its files; a zip archive reads them at once.
MOST_DIRECTORY_BYTES = 32 << 20
MOST_RATIO = 200
#: Less than this is no bomb, however well it was packed.
FREE_OF_RATIO_BYTES = 16 << 20
MOST_PATH_BYTES = 1024
MOST_NAME_BYTES = 255
MOST_DEPTH = 32
#: A disk takes several wishes for safety at once more cheaply than one after the other.
SYNC_THREADS = 8

_SITE = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,200}\.whl")
_END = b"PK\x05\x06"
_END_BYTES = 22
_IGNORED = ("scripts", "headers", "data")
#: A fast machine takes seconds, the slowest a minute.
COMPILE_S = 900.0
#: Nobody imports these on a device.
_UNCOMPILED = r"/tests/"


class Member(NamedTuple):
    """A file of a wheel and where it goes."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    path: str


def make_site(sites: str, store: str, site: str, wheels: Sequence[tuple[str, str]], *, compiled: bool = False) -> None:
    """Unpack wheels (file name, sha256) of the store into `sites/site`, unless it is there and whole.

    Args:
        compiled: also compile the modules, for the Python that runs this.

    Raises:
        Refused: a wheel is absent, damaged or hostile.
        OSError: the disk; nothing has appeared.
    """
    _check_request(site, wheels)
    destination = os.path.join(sites, site)
    remove_leftovers(sites)
    if is_whole(destination, wheels):
        return
    with contextlib.ExitStack() as stack:
        members: list[Member] = []
        for name, sha256 in wheels:
            file = stack.enter_context(_open_wheel(os.path.join(store, sha256), name, sha256))
            members += _members(stack.enter_context(_archive(file, name)), name)
        _check_together(members)
        _check_room(sites, members)
        _build(destination, members, wheels, compiled=compiled)


def is_whole(destination: str, wheels: Sequence[tuple[str, str]] | None = None) -> bool:
    """Return whether a site is there; with `wheels`, also whether every file of it is what it was."""
    try:
        with open(os.path.join(destination, INDEX), "rb") as file:
            index = json.loads(file.read(MOST_INDEX_BYTES))
        if wheels is None:
            return True
        files = index["files"].items()
        return bool(index["wheels"] == dict(wheels)) and all(_is(destination, path, sha256) for path, sha256 in files)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return False


def remove_leftovers(folder: str) -> None:
    """Remove what earlier tries were cut off at; the caller holds the lock, so nobody is at it now."""
    for name in os.listdir(folder):
        if name.startswith(PART):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def _check_request(site: str, wheels: Sequence[tuple[str, str]]) -> None:
    lines = []
    for name, sha256 in wheels:
        if not _WHEEL.fullmatch(name) or not _SHA256.fullmatch(sha256):
            raise Refused("ConfigError", f"{name[:120]!r} {sha256[:80]!r} is no wheel and its hash")
        lines.append(f"{sha256}  {name}\n")
    made = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()[:16]
    if not _SITE.fullmatch(site) or made != site or len(dict(wheels)) != len(wheels):
        raise Refused("ConfigError", f"these wheels make the site {made}, expected {site[:80]!r}")


def _open_wheel(path: str, name: str, sha256: str) -> IO[bytes]:
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except FileNotFoundError:
        raise Refused("TransferError", f"{name}: is not in the target's store", "run the same command again") from None
    digest = hashlib.sha256()
    while data := file.read(CHUNK_BYTES):
        digest.update(data)
    if digest.hexdigest() != sha256:
        file.close()
        os.unlink(path)  # so that the next try sends it again
        raise Refused("VerificationError", f"{name}: is damaged in the target's store", "run the same command again")
    return file


def _archive(file: IO[bytes], name: str) -> zipfile.ZipFile:
    """Open a zip archive whose table of contents is small enough to be read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_BYTES))
    tail = file.read()
    if len(tail) != _END_BYTES or not tail.startswith(_END) or not tail.endswith(b"\0\0"):
        raise Refused("ConfigError", f"{name}: is no zip archive without a comment, as a wheel is")
    entries, directory = int.from_bytes(tail[10:12], "little"), int.from_bytes(tail[12:16], "little")
    file.seek(max(0, size - _END_BYTES - 20))
    if entries == 0xFFFF or file.read(4) == b"PK\x06\x07" or directory > MOST_DIRECTORY_BYTES:
        raise Refused("ConfigError", f"{name}: has more files than a wheel may have ({entries}, {directory} bytes)")
    with _reading(name):
        return zipfile.ZipFile(file)


def _members(archive: zipfile.ZipFile, name: str) -> Iterator[Member]:
    unpacked = 0
    for info in archive.infolist():
        if mistake := _mistake(info):
            raise Refused("ConfigError", f"{name}: the file {info.orig_filename[:200]!r} {mistake}")
        unpacked += info.file_size
        path = None if info.is_dir() else _place(info.filename, name)
        if path is not None:
            yield Member(archive, info, path)
    packed = os.fstat(archive.fp.fileno()).st_size if archive.fp else 0
    if unpacked > FREE_OF_RATIO_BYTES and unpacked > MOST_RATIO * packed:
        raise Refused(
            "ConfigError", f"{name}: would unpack {packed:,} bytes to {unpacked:,}, which no honest wheel does"
        )


def _mistake(info: zipfile.ZipInfo) -> str:
    """Return what is wrong with an entry, "" for nothing."""
    path = info.orig_filename
    names = path.rstrip("/").split("/")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not path or len(path.encode("utf-8", "surrogatepass")) > MOST_PATH_BYTES or len(names) > MOST_DEPTH:
        return "has a name that is too long"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") or c == "\\" for c in path):
        return "has a name with a control character or a backslash"
    if path.startswith("/") or any(part in ("", ".", "..") for part in names):
        return "has a name that leads elsewhere"
    if any(len(part.encode()) > MOST_NAME_BYTES for part in names):
        return "has a name that is too long"
    if kind and kind != (stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        return "is a link or something stranger, expected a file"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is packed by method {info.compress_type}, expected 0 or 8"
    return ""


def _place(path: str, wheel: str) -> str | None:
    """Return where in the site a file of a wheel goes, None for nowhere."""
    first, _, rest = path.partition("/")
    if not first.endswith(".data") or not rest:
        return path
    category, _, inner = rest.partition("/")
    if category in ("purelib", "platlib") and inner:
        return inner
    if category in _IGNORED:
        return None
    raise Refused("ConfigError", f"{wheel}: has {path[:200]!r}, which has no place in a site")


def _check_together(members: Sequence[Member]) -> None:
    """Refuse files that cannot stand beside each other on every file system, and too much of them."""
    if len(members) > MOST_FILES:
        raise Refused("ConfigError", f"the wheels have {len(members):,} files, at most {MOST_FILES:,} are unpacked")
    total = sum(member.info.file_size for member in members)
    if total > MOST_SITE_BYTES:
        raise Refused("ConfigError", f"the wheels unpack to {total:,} bytes, at most {MOST_SITE_BYTES:,} are taken")
    files = {_folded(INDEX): INDEX}
    folders: dict[str, str] = {}
    for path in (member.path for member in members):
        other = files.setdefault(_folded(path), path)
        if other is not path:
            raise Refused("ConfigError", f"the wheels have {other[:200]!r} and {path[:200]!r}, which are one file")
        for folder in _parents(path):
            other = folders.setdefault(_folded(folder), folder)
            if other != folder:
                raise Refused("ConfigError", f"the wheels have {other[:200]!r} and {folder[:200]!r}: one folder")
    for folded in files.keys() & folders.keys():
        raise Refused("ConfigError", f"the wheels have {files[folded][:200]!r} as a file and as a folder")


def _parents(path: str) -> Iterator[str]:
    names = path.split("/")
    for depth in range(1, len(names)):
        yield "/".join(names[:depth])


def _folded(path: str) -> str:
    """Return what file systems that ignore case compare."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _check_room(folder: str, members: Sequence[Member]) -> None:
    # A module is about as large again when it is compiled.
    needed = sum(member.info.file_size * (1 + member.path.endswith(".py")) + 4096 for member in members)
    check_room(folder, needed, "to unpack the wheels")


def _build(destination: str, members: Sequence[Member], wheels: Sequence[tuple[str, str]], *, compiled: bool) -> None:
    sites, site = os.path.split(destination)
    part = tempfile.mkdtemp(dir=sites, prefix=f"{PART}{site}-")
    try:
        files = {member.path: _unpack(member, part) for member in members}
        if compiled:
            _compile(part, destination)
            files |= _bytecode(part)
        index = {"files": files, "wheels": dict(wheels)}
        text = json.dumps(index, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        with open(os.path.join(part, INDEX), "xb") as file:
            file.write(text.encode())
        _sync_all(part)
        if os.path.lexists(destination):  # damaged: nothing else could be there
            os.rename(destination, f"{part}-gone")
        os.rename(part, destination)
        sync_folder(sites)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(f"{part}-gone", ignore_errors=True)


def _unpack(member: Member, part: str) -> str:
    """Write a file and return its hash."""
    target = os.path.join(part, member.path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    digest, left = hashlib.sha256(), member.info.file_size
    with open(target, "xb") as file, _reading(member.path), member.archive.open(member.info) as source:
        while data := source.read(CHUNK_BYTES):
            left -= len(data)
            if left < 0:
                raise Refused("ConfigError", f"{member.path}: unpacks to more than it says")
            digest.update(data)
            file.write(data)
    if left:
        raise Refused("ConfigError", f"{member.path}: unpacks to less than it says")
    os.chmod(target, 0o755 if (member.info.external_attr >> 16) & 0o111 else 0o644)
    return digest.hexdigest()


def _compile(part: str, destination: str) -> None:
    """Compile the modules, in processes of their own; one that cannot be is left to whoever imports it."""
    options = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-x", _UNCOMPILED]
    paths = ["-s", part, "-p", destination, part]  # tracebacks name the place where it will be
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [sys.executable, "-I", "-S", "-m", "compileall", *options, *paths],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=COMPILE_S,
            check=False,
        )


def _bytecode(part: str) -> dict[str, str]:
    """Return the hashes of what was compiled."""
    found = {}
    for place, _, names in os.walk(part):
        if os.path.basename(place) == "__pycache__":
            for name in names:
                path = os.path.relpath(os.path.join(place, name), part)
                found[path] = _sha256_of(part, path)
    return found


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what zipfile says of a damaged archive into a refusal."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as fault:
        raise Refused("ConfigError", f"{name}: is no sound zip archive: {str(fault)[:200]}") from None
    except OSError as fault:
        if fault.errno != errno.EINVAL:  # a place before the beginning of the file
            raise
        raise Refused("ConfigError", f"{name}: is no sound zip archive") from None


def _sync_all(folder: str) -> None:
    """Bring everything below a folder to the disk, readable by every user."""
    paths = []
    for place, _, names in os.walk(folder):
        os.chmod(place, 0o755)  # noqa: S103 - programs under other users import from it
        paths += [os.path.join(place, name) for name in names]
        paths.append(place)
    with ThreadPoolExecutor(SYNC_THREADS) as pool:
        for _ in pool.map(_sync, paths):
            pass


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is(destination: str, path: Any, sha256: Any) -> bool:
    """Return whether a file of a site has this hash."""
    return bool(_sha256_of(destination, path) == sha256)


def _sha256_of(folder: str, path: Any) -> str:
    digest = hashlib.sha256()
    with open(os.path.join(folder, path), "rb") as file:
        while data := file.read(CHUNK_BYTES):
            digest.update(data)
    return digest.hexdigest()

"""Compiled modules on disk: one `<key>.<sha256 of the file>.cwasm` each.

A .cwasm is native code, so only files from a folder that is ours and closed to others (0700) are loaded, and only when
their content has the hash in their name. Compilation runs in a child process: a module made to be slow or large to
compile costs the child, and the parent keeps no compiler in its memory.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from edge_sdk.errors import ModelError
from edge_sdk.runtime._wasmtime import wasmtime
from edge_sdk.runtime.child import child_command, child_environment
from edge_sdk.runtime.engine import EngineSpec, engine_for, wasmtime_version
from edge_sdk.runtime.real_folder import real_folder

log = logging.getLogger(__name__)

COMPILE_TIMEOUT_S = 120.0
#: Exit code of the child for "Wasmtime refused the module"; its words are on stdout.
REFUSED = 3
#: The oldest entries beyond this are removed: a gateway's disk must not fill.
MAX_CACHE_BYTES = 512 << 20
_UNFINISHED = "edge-sdk-new-"
#: What a cache folder may lose files of: whoever names a folder of their own keeps everything else in it.
_OURS = re.compile(rf"\w+\.[0-9a-f]{{64}}\.\w+|{_UNFINISHED}\w+")


class FileCache:
    """Files under a key, each named by the hash of its content, in a private folder.

    cache = FileCache(folder)
    path = cache.get("key", ".cwasm") or cache.put("key", ".cwasm", data)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str, suffix: str) -> Path | None:
        """Return the file under `key`, or None; a damaged one is removed."""
        for path in sorted(self.folder.glob(f"{key}.*{suffix}")):
            if self._is_whole(path, key, suffix):
                return path
        return None

    def _is_whole(self, path: Path, key: str, suffix: str) -> bool:
        try:
            if path.name == f"{key}.{_sha256(path)}{suffix}":
                os.utime(path)
                return True
            log.warning("cache entry %s is damaged; it is made again", path)
            path.unlink()
        except OSError as error:  # another process may have removed it
            log.info("cache entry %s: %s", path, error)
        return False

    def put(self, key: str, suffix: str, data: bytes) -> Path:
        """Store `data` under `key`; raises OSError."""
        with self.new_file() as file:
            file.write_bytes(data)
            return self.adopt(key, suffix, file)

    @contextmanager
    def new_file(self) -> Iterator[Path]:
        """Give an empty file to fill; it vanishes unless adopted."""
        descriptor, name = tempfile.mkstemp(dir=self.folder, prefix=_UNFINISHED)
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def adopt(self, key: str, suffix: str, file: Path) -> Path:
        """Make a complete `file` of this folder the entry under `key`, atomically."""
        path = file.replace(self.folder / f"{key}.{_sha256(file)}{suffix}")
        self._prune(keep=path)
        return path

    def _prune(self, keep: Path) -> None:
        """Remove the entries longest unused until the rest fits MAX_CACHE_BYTES."""
        entries = []
        for path in self.folder.iterdir():
            if not _OURS.fullmatch(path.name):
                continue
            try:
                status = path.stat()
            except OSError:
                continue
            entries.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= MAX_CACHE_BYTES:
                return
            if path != keep:
                path.unlink(missing_ok=True)
                total -= size


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def cache_folder() -> Path | None:
    """Return $EDGE_SDK_CACHE or $XDG_CACHE_HOME/edge-sdk, made if need be; None where it cannot be trusted."""
    named = os.environ.get("EDGE_SDK_CACHE")
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        written = Path(named) if named else Path(base) / "edge-sdk"
        # systemd's DynamicUser= makes the folder of a service a link. What is used is the place behind it, so that a
        # link that is turned later leads nobody astray.
        folder = real_folder(written)
        if folder is None:
            _warn_once(f"cache folder {written} is behind a link that others could change")
            return None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder) else None
    except (OSError, RuntimeError) as error:  # RuntimeError: no home folder
        _warn_once(f"no cache folder: {error}")
        return None


def _is_private(folder: Path) -> bool:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        _warn_once(f"cache folder {folder} does not belong to this user")
        return False
    return not status.st_mode & 0o077 or _closed(folder)


def _closed(folder: Path) -> bool:
    """Close an open folder to others, if it is empty; return whether it is private now.

    One with something in it is left alone: it may be anybody's folder, and others may have put code into it.
    """
    if not any(folder.iterdir()):
        folder.chmod(0o700)
        if not any(folder.iterdir()):  # nobody was quicker
            return True
    _warn_once(f"cache folder {folder} is open to others and not empty")
    return False


@lru_cache(maxsize=64)
def _warn_once(problem: str) -> None:
    log.warning("%s; models are compiled at each start", problem)


@lru_cache(maxsize=1)
def cpu_identity() -> str:
    """Return a text that differs between CPUs of different instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return f"{platform.machine()} {flags}"


def compiled(spec: EngineSpec, wasm: bytes) -> wasmtime.Module:
    """Return `wasm` compiled for the engine of `spec`, from the cache if it is there.

    Raises:
        ModelError: Wasmtime refuses it, or compiling takes too long or too much memory.
    """
    engine = engine_for(spec)
    parts = (hashlib.sha256(wasm).hexdigest(), wasmtime_version(), cpu_identity(), spec.identity)
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    folder = cache_folder()
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="edge-sdk-") as private:
            return _compile(spec, engine, wasm, FileCache(Path(private)), key)
    cache = FileCache(folder)
    path = cache.get(key, ".cwasm")
    if path is not None:
        try:
            return wasmtime.Module.deserialize_file(engine, str(path))
        except wasmtime.WasmtimeError as error:
            log.warning("cache entry %s cannot be used (%s); it is made again", path, error)
            path.unlink(missing_ok=True)
    return _compile(spec, engine, wasm, cache, key)


def _compile(spec: EngineSpec, engine: wasmtime.Engine, wasm: bytes, cache: FileCache, key: str) -> wasmtime.Module:
    try:
        with cache.new_file() as output:
            _compile_in_child(spec, wasm, str(output))
            path = cache.adopt(key, ".cwasm", output)
            return wasmtime.Module.deserialize_file(engine, str(path))
    except OSError as error:
        log.info("compiling in this process: %s", error)
    try:
        return wasmtime.Module(engine, wasm)
    except wasmtime.WasmtimeError as error:
        raise _refused(str(error)) from None


def _refused(words: str) -> ModelError:
    return ModelError(f"Wasmtime refuses the module: {words.strip()[:500]}", hint="convert or copy the model again")


def _compile_in_child(spec: EngineSpec, wasm: bytes, output: str) -> None:
    """Write machine code to `output`; raises OSError when no child can do it."""
    if not sys.executable:
        raise FileNotFoundError("this Python does not know its own executable")
    command = child_command("edge_sdk.runtime.compile_module", json.dumps(asdict(spec)), output)
    try:
        done = subprocess.run(
            command, input=wasm, capture_output=True, timeout=COMPILE_TIMEOUT_S, env=child_environment(), check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"compiling the module takes more than {COMPILE_TIMEOUT_S:.0f} s") from None
    if done.returncode == REFUSED:
        raise _refused(done.stdout.decode(errors="replace"))
    if done.returncode < 0:
        raise ModelError(
            f"compiling the module ended by signal {-done.returncode}: "
            "it needs too much memory, or this machine has none left"
        )
    if done.returncode != 0:
        raise OSError(f"the compiling child failed: {done.stderr.decode(errors='replace')[-300:]}")

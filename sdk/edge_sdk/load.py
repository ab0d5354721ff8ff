"""The public door: a model file becomes a session.

    model = edge_sdk.load("kws.tflite", engine="auto")
    (scores,) = model.run(x)

`.wasm` modules are run as they are; `.tflite` files are converted in memory, and the result is kept in the cache,
unless another runtime is named to run them. Here compiler, runtime and the other runtimes meet; none knows the others.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from edge_sdk.engines import FOREIGN, ForeignEngine, check_engine_name
from edge_sdk.errors import (
    AccessDeniedError,
    MissingExtraError,
    ModelError,
    TargetNotFoundError,
    TransferError,
    UsageError,
    about_file,
)
from edge_sdk.foreign.session import ForeignSession, open_foreign
from edge_sdk.runtime.cache import FileCache, cache_folder
from edge_sdk.runtime.session import Session, open_session
from edge_sdk.units import utf8

log = logging.getLogger(__name__)

__all__ = ["load", "read_model"]

MAX_FILE_BYTES = 1 << 30
SUFFIXES = (".tflite", ".wasm")


def load(
    path: str | os.PathLike[str],
    engine: str = "auto",
    threads: int = 1,
    *,
    deadline_s: float = 10.0,
    memory_mib: float = 256,
    safe_traps: bool = False,
    delegate: str = "xnnpack",
    delegate_options: Mapping[str, str] | None = None,
) -> Session | ForeignSession:
    """Load a model.

    Args:
        path: a `.tflite` file, or a `.wasm` made by `edge-sdk convert`.
        engine: "auto" (native kernels where they work, else the sandbox, with a warning), "host" or "sandbox"; or the
            runtime "litert" or "tflite_runtime", in a child process, for a `.tflite` file. "auto" never takes those.
        threads: most threads to compute with, 1 or more; results are the same for any number. Native kernels use as
            many as there are CPUs, the sandbox one; `model.engine.threads` says how many are used.
        deadline_s: seconds one `run` may take; prepared weights get 30 s at least.
        memory_mib: most memory the model may use, in MiB: its linear memory plus the host's packed weights, or what
            the child takes besides Python, numpy and the runtime.
        safe_traps: test bounds explicitly instead of catching signals: 4 to 14 % slower, and safe where another part
            of the process takes the signals (faulthandler enabled after the first load is seen by itself).
        delegate: what another runtime computes with: "xnnpack", "none", "reference", or a vendor's library.
        delegate_options: for the vendor's library.

    Raises:
        TargetNotFoundError: no such file.
        ModelError: damaged, unsupported, or no model.
        SandboxError: the module breaks a rule of the sandbox, or another runtime dies of the model.
        MissingExtraError: the runtime that was named is not installed.
        UsageError: an argument is out of range.
        UnsupportedPlatformError: this machine cannot run what was asked.
    """
    check_engine_name(engine)
    if engine in FOREIGN:
        return _load_foreign(
            Path(path),
            FOREIGN[engine],
            threads=threads,
            deadline_s=deadline_s,
            memory_mib=memory_mib,
            delegate=delegate,
            delegate_options=delegate_options,
        )
    if delegate != "xnnpack" or delegate_options:
        raise UsageError(
            f"engine {engine!r} takes no delegate", hint=f"engine={' or '.join(map(repr, FOREIGN))} takes one"
        )
    data = read_model(path)
    with about_file(Path(path)):
        return open_session(
            data,
            engine=engine,
            threads=threads,
            deadline_s=deadline_s,
            memory_mib=memory_mib,
            safe_traps=safe_traps,
        )


def read_model(path: str | os.PathLike[str]) -> bytes:
    """Return the Wasm module of a model file, converted if need be. Raises as `load` does."""
    file = Path(path)
    suffix = file.suffix.lower()
    data = _read(file)
    if suffix not in SUFFIXES:
        raise ModelError(
            f"{file}: the suffix {suffix or '(none)'} is unknown, expected one of {', '.join(SUFFIXES)}",
            hint="export the model as .tflite, or convert it with `edge-sdk convert`",
        )
    return data if suffix == ".wasm" else _converted(file, data)


def _load_foreign(file: Path, engine: ForeignEngine, **options: Any) -> ForeignSession:
    if file.suffix.lower() != ".tflite":
        raise UsageError(
            f"{file}: engine {engine.name!r} runs .tflite files", hint="name the file that the module was made from"
        )
    data = _read(file)
    with about_file(file):
        return open_foreign(data, engine, name=utf8(file.stem), **options)


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelError(f"{file}: {size} bytes, at most {MAX_FILE_BYTES} are read")
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise TargetNotFoundError(f"{file}: there is no such file", hint="check the path of the model") from None
    except IsADirectoryError:
        raise TargetNotFoundError(f"{file}: is a folder, expected a model file") from None
    except PermissionError as error:
        raise AccessDeniedError(f"{file}: {error.strerror}", hint=f"chmod +r {file}") from None
    except OSError as error:
        raise TransferError(f"{file}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise TargetNotFoundError(f"{str(file)!r}: {error}") from None


def _converted(file: Path, data: bytes) -> bytes:
    """Return the module for the source model in `data`, from the cache if it is there."""
    folder = cache_folder()
    if folder is None:
        return _convert(file, data)
    cache = FileCache(folder)
    key = hashlib.sha256(hashlib.sha256(data).digest() + utf8(file.stem).encode() + _compiler_identity()).hexdigest()
    found = cache.get(key, ".wasm")
    try:
        if found is not None:
            return found.read_bytes()
    except OSError as error:  # removed by another process in between
        log.info("%s: %s", found, error)
    module = _convert(file, data)
    try:
        cache.put(key, ".wasm", module)
    except OSError as error:
        log.warning("the converted model is not cached: %s", error)
    return module


def _convert(file: Path, data: bytes) -> bytes:
    try:
        from edge_sdk.compiler.convert import convert
    except ModuleNotFoundError as missing:
        raise MissingExtraError(
            f"{file}: this installation has no converter ({missing.name} is missing)",
            hint="convert the model elsewhere with `edge-sdk convert` and load the .wasm",
        ) from None
    with about_file(file):
        return bytes(convert(data, name=utf8(file.stem)).module)


def _compiler_identity() -> bytes:
    """Return a hash that changes when a conversion could give another result: the compiler's files and the ABI."""
    page = files("edge_sdk")
    digest = hashlib.sha256((page / "abi.json").read_bytes() + (page / "abi.py").read_bytes())
    spec = find_spec("edge_sdk.compiler")
    for root in (spec.submodule_search_locations or ()) if spec is not None else ():
        for source in sorted(Path(root).rglob("*.py")):
            status = source.stat()
            digest.update(f"{source.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.digest()


class _CallableModule(ModuleType):
    """`import edge_sdk.load` puts this module where the package promises the function: both can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Session | ForeignSession:
        return load(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule

"""Wasmtime engines, one per kind of memory reservation, and the thread that moves their epochs.

Model code of the host provider is a list of calls, so its memory is reserved no larger than declared; sandbox kernels
do the arithmetic in Wasm and want the 4 GiB that make bounds checks free, where the address space has them.

A trap arrives as a signal. `faulthandler.enable()` after the first engine exists takes that signal away and the next
trap would end the process: engines made from then on test bounds explicitly (`safe_traps`, 4 to 14 % slower).
"""

from __future__ import annotations

import faulthandler
import math
import mmap
import os
import resource
import threading
import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from edge_sdk.errors import UsageError
from edge_sdk.runtime._wasmtime import wasmtime

TICK_S = 0.005
TICK_NS = 5_000_000
MAX_DEADLINE_S = 3600.0
MIB = 1 << 20
FULL_RESERVATION = 4 << 30
#: A guest that recurses without end must meet this before the end of its thread's stack, which no error survives.
#: Models and kernels need a tenth of it; threads with 256 KiB are safe.
MAX_WASM_STACK = 128 << 10
#: What a model has no use for; less to trust.
PROPOSALS_OFF = (
    "wasm_threads",
    "wasm_memory64",
    "wasm_multi_memory",
    "wasm_tail_call",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_wide_arithmetic",
    "wasm_custom_page_sizes",
    "wasm_stack_switching",
)


@dataclass(frozen=True)
class EngineSpec:
    """Everything that decides what code an engine makes.

    Attributes:
        reservation_bytes: address space reserved for a memory; FULL_RESERVATION makes bounds checks free.
        safe_traps: test bounds explicitly instead of catching signals.
        epochs: test at each loop header whether the deadline has passed; else only kernel calls are such a place.
    """

    reservation_bytes: int
    safe_traps: bool = False
    epochs: bool = True

    @property
    def identity(self) -> str:
        """Text that differs where compiled code must not be exchanged."""
        return repr(sorted(asdict(self).items())) + ",".join(PROPOSALS_OFF)


def host_spec(memory_bytes: int, *, safe_traps: bool = False) -> EngineSpec:
    """Return the spec for models that call native kernels: the declared memory, rounded up to a power of two."""
    return EngineSpec(max(MIB, 1 << (memory_bytes - 1).bit_length()), safe_traps or faulthandler_hazard())


def sandbox_spec(memory_bytes: int, *, safe_traps: bool = False, epochs: bool = True) -> EngineSpec:
    """Return the spec for models whose kernels are Wasm."""
    if _has_address_space(2 * FULL_RESERVATION):
        return EngineSpec(FULL_RESERVATION, safe_traps or faulthandler_hazard(), epochs)
    return replace(host_spec(memory_bytes, safe_traps=safe_traps), epochs=epochs)


@lru_cache(maxsize=1)
def _has_address_space(size_bytes: int) -> bool:
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return False
    try:
        mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0).close()
    except (OSError, ValueError):
        return False
    return True


def make_engine(spec: EngineSpec) -> wasmtime.Engine:
    """Return a new engine; `engine_for` is the one that shares them."""
    config = wasmtime.Config()
    for proposal in PROPOSALS_OFF:
        if hasattr(type(config), proposal):
            setattr(config, proposal, False)
    config.epoch_interruption = spec.epochs
    config.max_wasm_stack = MAX_WASM_STACK
    config.memory_reservation = spec.reservation_bytes
    config.memory_reservation_for_growth = 0
    if spec.reservation_bytes < FULL_RESERVATION:
        config.memory_guard_size = 65536
    if spec.safe_traps:
        config.signals_based_traps = False
    return wasmtime.Engine(config)


_engines: dict[EngineSpec, wasmtime.Engine] = {}
_engines_lock = threading.Lock()
_faulthandler_at_start: bool | None = None


def engine_for(spec: EngineSpec) -> wasmtime.Engine:
    """Return the process's engine of this spec. Engines are never freed: there are a handful."""
    global _faulthandler_at_start
    with _engines_lock:
        if spec not in _engines:
            if _faulthandler_at_start is None:
                _faulthandler_at_start = faulthandler.is_enabled()
            _engines[spec] = make_engine(spec)
        return _engines[spec]


def faulthandler_hazard() -> bool:
    """Return whether faulthandler was enabled after the first engine: a trap in an older session ends the process."""
    return _faulthandler_at_start is False and faulthandler.is_enabled()


def epoch_ticks(deadline_s: float) -> int:
    """Return the epochs after which a call is interrupted: `deadline_s`, and up to two ticks more."""
    if not 0 < deadline_s <= MAX_DEADLINE_S:
        raise UsageError(f"deadline_s is {deadline_s}, expected more than 0 and at most {MAX_DEADLINE_S:.0f} s")
    return math.ceil(deadline_s / TICK_S) + 1


class EpochTicker:
    """Moves the epoch of every engine in use, TICK_S apart; no thread exists while none is.

    The thread is a daemon: it holds nothing that must be put back.
    """

    def __init__(self) -> None:
        # Reentrant: the garbage collector may free a session, which releases its engine, in the middle of any of these.
        self._lock = threading.RLock()
        self._users: dict[wasmtime.Engine, int] = {}
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._after_fork)

    def hold(self, engine: wasmtime.Engine) -> None:
        """Count one more user of `engine`."""
        with self._lock:
            self._users[engine] = self._users.get(engine, 0) + 1
            self._start()

    def release(self, engine: wasmtime.Engine) -> None:
        """Count one user less."""
        with self._lock:
            self._users[engine] -= 1
            if not self._users[engine]:
                del self._users[engine]

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._tick, name="edge-sdk epochs", daemon=True)
            self._thread.start()

    def _tick(self) -> None:
        while True:
            time.sleep(TICK_S)
            with self._lock:
                if not self._users:
                    self._thread = None
                    return
                engines = list(self._users)
            for engine in engines:
                engine.increment_epoch()

    def _after_fork(self) -> None:
        # Threads do not survive a fork, and the lock may have been held by one.
        self._lock = threading.RLock()
        self._thread = None
        if self._users:
            self._start()


ticker = EpochTicker()


def wasmtime_version() -> str:
    """Return the version of the wasmtime package."""
    try:
        return version("wasmtime")
    except PackageNotFoundError:
        return "unknown"

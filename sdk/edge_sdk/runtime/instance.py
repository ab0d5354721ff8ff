"""One store with a model in it, and everything that must live exactly as long.

The C session is the environment of the host kernels: it is freed after its store, never before, and shared with no
other. Two kinds with one interface: `NativeInstance` calls through the native library (0.1 us), `PlainInstance` through
the wasmtime package alone (about 20 us).

    failed = instance.run1(instance.handle, ticks, instance.buffer(x), instance.buffer(y))
    if failed: instance.explain(failed)
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_sdk.abi import KERNELS
from edge_sdk.errors import BusyError, ModelError, SandboxError
from edge_sdk.runtime import traps
from edge_sdk.runtime._wasmtime import wasmtime
from edge_sdk.runtime.engine import TICK_NS, EngineSpec, engine_for, ticker
from edge_sdk.runtime.host import define_kernels
from edge_sdk.runtime.manifest import TensorRow
from edge_sdk.runtime.module import ModelModule
from edge_sdk.runtime.native import Library
from edge_sdk.runtime.sandbox import DEADLINE, Adapter, Kernels
from edge_sdk.runtime.traps import Failure

#: Enough for tables of kernel functions; a guest's table is the host's memory.
MAX_TABLE_ELEMENTS = 10_000


@dataclass(frozen=True)
class Plan:
    """All that is needed to make an instance, again and again.

    Attributes:
        kernels: the sandbox's kernels; None for host kernels and for standalone modules.
        library: the native library; None when it must not be used.
        host_isa: number of the ISA of the host kernels; -1 when they are not used.
        packed_limit: most bytes of packed weights in host memory.
        threads: of the host kernels, the caller's included.
    """

    module: ModelModule
    code: wasmtime.Module
    spec: EngineSpec
    kernels: Kernels | None
    library: Library | None
    host_isa: int
    packed_limit: int
    threads: int = 1


class BrokenSession(Exception):  # noqa: N818 - not an error: the session opens another instance and goes on
    """This instance's earlier run failed; its memory may be in any state."""


_alive: weakref.WeakSet[NativeInstance | PlainInstance] = weakref.WeakSet()


def _after_fork() -> None:
    for instance in list(_alive):
        instance.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def open_instance(plan: Plan, prepare_ticks: int) -> NativeInstance | PlainInstance:
    """Instantiate the model and its kernels; prepare() is not called yet.

    Raises:
        SandboxError, ModelError: the module cannot be instantiated.
    """
    if plan.library is None:
        return PlainInstance(plan, prepare_ticks)
    return NativeInstance(plan, plan.library, prepare_ticks)


@dataclass(frozen=True)
class _Exports:
    memory: wasmtime.Memory
    prepare: wasmtime.Func
    infer: wasmtime.Func


def _instantiate(
    plan: Plan, store: wasmtime.Store, ticks: int, define_host: Callable[[wasmtime.Linker], None]
) -> tuple[_Exports, Adapter | None]:
    """Link and instantiate; sandbox kernels are connected."""
    store.set_limits(plan.module.memory_bytes, MAX_TABLE_ELEMENTS, instances=3, tables=8, memories=1)
    if plan.spec.epochs:
        store.set_epoch_deadline(ticks)
    adapter = None
    with wasmtime.Linker(store.engine) as linker:
        define_host(linker)
        if plan.kernels is not None:
            adapter = Adapter(store, plan.kernels)
            adapter.define_kernels(linker, plan.module.imports)
        try:
            exports = linker.instantiate(store, plan.code).exports(store)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise SandboxError(f"the module cannot be instantiated: {traps.from_exception(error).text}") from None
    found = _Exports(exports["memory"], exports["prepare"], exports["infer"])
    _check_entries(store, found)
    if adapter is not None:
        adapter.connect(found.memory, plan.module.imports)
    return found, adapter


def _check_entries(store: wasmtime.Store, exports: _Exports) -> None:
    # They are called without type checks; Wasmtime's own reading of the module is asked once more.
    for func in (exports.prepare, exports.infer):
        kind = func.type(store)
        if kind.params or kind.results != [wasmtime.ValType.i32()]:
            raise ModelError(f"prepare or infer has type {kind.params} -> {kind.results}, expected () -> (i32)")


class NativeInstance:
    """A store driven through the native library; the interpreter lock is free while the model runs."""

    def __init__(self, plan: Plan, library: Library, ticks: int) -> None:
        self._ffi, self._lib = library.ffi, library.lib
        self._library = library
        engine = engine_for(plan.spec)
        store = wasmtime.Store(engine)
        self.handle = self._lib.edge_session_open(
            plan.host_isa, plan.packed_limit, plan.threads, 0 if plan.spec.epochs else TICK_NS
        )
        if self.handle == self._ffi.NULL:
            raise MemoryError("no memory for a session")
        alive: list[object] = []
        # Not run at exit: a daemon thread may still be inside the model.
        ticked = engine if plan.spec.epochs else None
        if ticked is not None:
            ticker.hold(ticked)
        self._free = weakref.finalize(self, _free_native, store, ticked, self._lib, self.handle, alive)
        self._free.atexit = False
        try:
            exports, self._adapter = _instantiate(
                plan, store, ticks, lambda linker: alive.extend(self._host(linker, plan, library))
            )
            self._bind(plan, library, store, exports)
        except BaseException:
            self.close()
            raise
        self.run1 = self._lib.edge_session_run1
        self.buffer = self._ffi.from_buffer
        _alive.add(self)

    def _host(self, linker: wasmtime.Linker, plan: Plan, library: Library) -> list[object]:
        names = plan.module.imports if plan.kernels is None else () if plan.spec.epochs else (DEADLINE,)
        return define_kernels(linker, library, self.handle, names)

    def _bind(self, plan: Plan, library: Library, store: wasmtime.Store, exports: _Exports) -> None:
        inputs, outputs = (
            self._ffi.new("edge_span[]", [(row.offset, row.spec.size_bytes) for row in rows])
            for rows in (plan.module.manifest.inputs, plan.module.manifest.outputs)
        )
        context = ctypes.cast(store._context(), ctypes.c_void_p).value
        handles = (exports.memory._memory, exports.prepare._func, exports.infer._func)
        structs = [self._padded(handle) for handle in handles]
        if self._lib.edge_session_bind(self.handle, context, *structs, inputs, len(inputs), outputs, len(outputs)):
            raise MemoryError("no memory for a session")

    def _padded(self, struct: ctypes.Structure) -> Any:
        return self._ffi.from_buffer(self._library.padded(struct))

    def prepare(self, ticks: int) -> Any:
        """Let the model prepare its kernels; 0, or what `explain` reads."""
        return self._lib.edge_session_prepare(self.handle, ticks)

    def run(self, ticks: int, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Run with any number of arrays; 0, or what `explain` reads."""
        sources = [self._ffi.from_buffer(x) for x in inputs]
        targets = [self._ffi.from_buffer(y) for y in outputs]
        return self._lib.edge_session_run(
            self.handle, ticks, self._ffi.new("void *[]", sources), self._ffi.new("void *[]", targets)
        )

    def time_calls(self, ticks: int, calls: Sequence[tuple[str, int]]) -> tuple[Any, list[int]]:
        """Make kernel calls one after another; return (0 or what `explain` reads, nanoseconds of each).

        Args:
            calls: (kernel, offset of its descriptor), as infer() makes them.
        """
        took = self._ffi.new("int64_t[]", len(calls))
        rows = self._ffi.new("edge_timed_call[]", [(offset, KERNELS[kernel].number) for kernel, offset in calls])
        functions = self._ffi.NULL
        if self._adapter is not None:
            found = {kernel: self._padded(self._adapter.function(kernel)._func) for kernel, _ in calls}
            functions = self._ffi.new("void *[]", [found[kernel] for kernel, _ in calls])
        failed = self._lib.edge_session_time(self.handle, ticks, rows, functions, len(calls), took)
        return failed, list(took)

    def explain(self, failed: int) -> Failure:
        """Return why a run failed, and free what tells it.

        Raises:
            BrokenSession: only because an earlier run failed.
            BusyError: the process forked in the middle of a run.
        """
        lib = self._lib
        outcome = self._ffi.cast("edge_outcome *", failed)
        kind, status, address = outcome.kind, outcome.status, outcome.object
        lib.edge_outcome_free(failed)
        if kind == lib.EDGE_OUTCOME_TRAP:
            return traps.from_trap_address(address)
        if kind == lib.EDGE_OUTCOME_ERROR:
            return traps.from_error_address(address)
        if kind == lib.EDGE_OUTCOME_STATUS:
            return traps.from_status(status, self._adapter.refused_descriptor() if self._adapter else None)
        if kind == lib.EDGE_OUTCOME_BROKEN:
            raise BrokenSession
        if kind == lib.EDGE_OUTCOME_LOST:
            raise _lost()
        raise MemoryError("no memory to say why a model failed")

    def after_fork(self) -> None:
        """In the child: the other threads are gone."""
        self._lib.edge_session_after_fork(self.handle)

    def close(self) -> None:
        """Free the store, then what its kernels used."""
        self._free()


def _free_native(
    store: wasmtime.Store, ticked: wasmtime.Engine | None, lib: Any, handle: Any, alive: list[object]
) -> None:
    store.close()
    lib.edge_session_close(handle)
    alive.clear()
    if ticked is not None:
        ticker.release(ticked)


class PlainInstance:
    """A store driven through the wasmtime package: sandbox kernels only."""

    handle = None

    def __init__(self, plan: Plan, ticks: int) -> None:
        if plan.host_isa >= 0:
            raise ValueError("host kernels need the native library")
        self._manifest = plan.module.manifest
        self._engine = engine_for(plan.spec)
        self._store = wasmtime.Store(self._engine)
        self._exports, self._adapter = _instantiate(plan, self._store, ticks, lambda linker: None)
        self._lock = threading.Lock()
        self._busy = self._broken = self._lost = False
        ticker.hold(self._engine)
        self._free = weakref.finalize(self, _free_plain, self._store, self._engine)
        self._free.atexit = False
        _alive.add(self)

    def buffer(self, array: Any) -> Any:
        """Return what run1 takes for an array."""
        if not array.flags.c_contiguous:
            raise ValueError("not C-contiguous")
        return array

    def prepare(self, ticks: int) -> Any:
        """Let the model prepare its kernels; 0, or what `explain` reads."""
        with self._lock:
            return self._call(self._exports.prepare, ticks)

    def run1(self, handle: None, ticks: int, x: Any, y: Any) -> Any:
        """Run a model of one input and one output; 0, or what `explain` reads."""
        return self.run(ticks, [x], [y])

    def run(self, ticks: int, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Run with any number of arrays; 0, or what `explain` reads."""
        with self._lock:
            if self._lost:
                return _lost()
            if self._broken:
                return BrokenSession()
            self._busy = True
            for row, array in zip(self._manifest.inputs, inputs, strict=True):
                self._view(row)[...] = array
            failed = self._call(self._exports.infer, ticks)
            if not failed:
                for row, array in zip(self._manifest.outputs, outputs, strict=True):
                    array[...] = self._view(row)
            self._broken, self._busy = bool(failed), False
            return failed

    def _view(self, row: TensorRow) -> Any:
        size = row.spec.size_bytes
        raw = self._exports.memory.get_buffer_ptr(self._store, size, row.offset)
        return np.ctypeslib.as_array(raw).view(row.dtype).reshape(row.shape)

    def _call(self, func: wasmtime.Func, ticks: int) -> Any:
        self._store.set_epoch_deadline(ticks)
        try:
            status = func(self._store)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            return error
        if status:
            return traps.from_status(status, self._adapter.refused_descriptor() if self._adapter else None)
        return 0

    def explain(self, failed: Any) -> Failure:
        """Return why a run failed; raises as NativeInstance.explain does."""
        if isinstance(failed, Failure):
            return failed
        if isinstance(failed, (BrokenSession, BusyError)):
            raise failed
        return traps.from_exception(failed)

    def after_fork(self) -> None:
        """In the child: the other threads are gone."""
        self._lost = self._lost or self._busy
        self._lock = threading.Lock()

    def close(self) -> None:
        """Free the store."""
        self._free()


def _free_plain(store: wasmtime.Store, engine: wasmtime.Engine) -> None:
    store.close()
    ticker.release(engine)


def _lost() -> BusyError:
    return BusyError(
        "another thread was running this model when the process forked; its state is lost in the child",
        hint="load the model in the child",
    )

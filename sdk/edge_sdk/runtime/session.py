"""The handle of a loaded model: arrays in, fresh arrays out.

    with open_session(data, engine="auto") as model:
        (y,) = model.run(x)

Threads: a model may be called from any thread. Calls on one model run one after another, a second caller waits; the
interpreter lock is free meanwhile. Load the file once per thread for calls side by side; the weights are shared pages.

After a trap or a deadline the linear memory may be in any state, so the next call opens a fresh instance first (about
a millisecond, and prepare() again). The failed call itself raises. A model that keeps state between runs begins anew
then, as after `reset`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_sdk.errors import ModelError, UnsupportedPlatformError, UsageError
from edge_sdk.runtime.engine import epoch_ticks
from edge_sdk.runtime.instance import BrokenSession, NativeInstance, PlainInstance, Plan, open_instance
from edge_sdk.runtime.module import check_module
from edge_sdk.runtime.provider import EngineInfo, check_provider_name, make_plan
from edge_sdk.runtime.traps import error_for
from edge_sdk.tensor import TensorSpec, checked_arrays

#: prepare() runs once and touches every weight; a short deadline is meant for infer().
PREPARE_S = 30.0
MIB = 1 << 20


def open_session(
    data: bytes,
    *,
    engine: str = "auto",
    isa: str = "",
    threads: int = 1,
    deadline_s: float = 10.0,
    memory_mib: float = 256,
    safe_traps: bool = False,
) -> Session:
    """Return a session for the model module in `data`. Arguments and errors are those of `edge_sdk.load`.

    isa: of native kernels, where it shall not be the best of this CPU.
    """
    check_provider_name(engine)
    if threads < 1:
        raise UsageError(f"threads is {threads}, expected 1 or more")
    epoch_ticks(deadline_s)
    limit = int(memory_mib * MIB)
    if limit <= 0:
        raise UsageError(f"memory_mib is {memory_mib}, expected more than 0")
    module = check_module(data, memory_limit_bytes=limit)
    plan, info = make_plan(module, engine, isa=isa, threads=threads, memory_limit_bytes=limit, safe_traps=safe_traps)
    return Session(plan, info, deadline_s)


class Session:
    """A loaded model. Close it, or use it in a `with` statement.

    Attributes:
        inputs: what `run` takes, in order.
        outputs: what `run` returns, in order.
        engine: what runs it, and why.
        restarts: how often a fresh instance took the place of one that a fault had spoilt.
    """

    def __init__(self, plan: Plan, engine: EngineInfo, deadline_s: float) -> None:
        manifest = plan.module.manifest
        self.inputs: tuple[TensorSpec, ...] = tuple(row.spec for row in manifest.inputs)
        self.outputs: tuple[TensorSpec, ...] = tuple(row.spec for row in manifest.outputs)
        self.engine = engine
        self.restarts = 0
        self._plan = plan
        self._deadline_s = deadline_s
        self._ticks = epoch_ticks(deadline_s)
        self._reopen_lock = threading.Lock()
        self._in_types: list[Any] = [(np.dtype(spec.dtype), spec.shape) for spec in self.inputs]
        self._out_types: list[Any] = [(spec.shape, np.dtype(spec.dtype)) for spec in self.outputs]
        self._is_single = len(self.inputs) == len(self.outputs) == 1
        first: tuple[Any, Any] = self._in_types[0] if self._in_types else (None, ())
        self._in_dtype, self._in_shape = first
        self._out_shape, self._out_dtype = self._out_types[0]
        self._live: NativeInstance | PlainInstance | None = self._open()

    @property
    def manifest(self) -> dict[str, Any]:
        """What the module says about itself, as plain values."""
        found: dict[str, Any] = msgspec.to_builtins(self._plan.module.manifest)
        return found

    @property
    def name(self) -> str:
        return self._plan.module.manifest.name

    @property
    def source_sha256(self) -> str:
        """Hash of the file the model was converted from."""
        return self._plan.module.manifest.source_sha256

    @property
    def module_sha256(self) -> str:
        """Hash of the Wasm module."""
        return self._plan.module.sha256

    def run(self, *arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        """Run the model once.

        Args:
            arrays: one for each of `inputs`, with its dtype and shape; copied, so any strides will do.

        Returns:
            Fresh arrays, one for each of `outputs`.

        Raises:
            InputError: wrong count, dtype or shape.
            DeadlineError: it took longer than the deadline.
            SandboxError: the model broke a rule; the message names node, kernel and field.
            RuntimeError: the model is closed.
        """
        if self._is_single and len(arrays) == 1:
            # The way of nearly every call; anything odd takes the long way, which says what is wrong.
            x, live = arrays[0], self._live
            if (
                live is not None
                and x.__class__ is np.ndarray
                and x.dtype == self._in_dtype
                and x.shape == self._in_shape
            ):
                out = np.empty(self._out_shape, self._out_dtype)
                try:
                    source = live.buffer(x)
                except (ValueError, BufferError):  # not contiguous
                    source = live.buffer(x.copy("C"))
                failed = live.run1(live.handle, self._ticks, source, live.buffer(out))
                if not failed:
                    return (out,)
                return self._run_again(live, failed, arrays)
        return self._run_any(checked_arrays(self.name, self.inputs, arrays))

    def time_nodes(self) -> list[int]:
        """Run the model once more on what lies in its memory, each kernel call timed.

        Returns:
            Nanoseconds of each row of `manifest["nodes"]`, about 50 too many; outputs are not copied.

        Raises:
            UnsupportedPlatformError: its kernels cannot be called one by one: it is a standalone module, or there is
                no native library here.
            DeadlineError, SandboxError, RuntimeError: as `run`.
        """
        live, manifest = self._current(), self._plan.module.manifest
        if manifest.form != "linked" or not isinstance(live, NativeInstance):
            why = "the module is standalone" if manifest.form != "linked" else "this edge-sdk has no native library"
            raise UnsupportedPlatformError(f"{self.name}: layers cannot be timed one by one: {why}")
        calls = [(node.kernel, descriptor) for node in manifest.nodes for descriptor in node.descriptors]
        self._check_calls(calls)
        failed, took = live.time_calls(self._ticks, calls)
        if failed:
            try:
                failure = live.explain(failed)
            except BrokenSession:
                self._reopen(live)
                return self.time_nodes()
            raise error_for(failure, manifest, deadline_s=self._deadline_s, doing="infer")
        left = iter(took)
        return [sum(islice(left, len(node.descriptors))) for node in manifest.nodes]

    def _check_calls(self, calls: Sequence[tuple[str, int]]) -> None:
        """The manifest is the model's word: what it names must be what the module imports."""
        foreign = sorted({kernel for kernel, _ in calls} - set(self._plan.module.imports))
        if foreign:
            raise ModelError(f"{self.name}: the manifest names {foreign[0]!r}, which the module does not import")

    @property
    def keeps_state(self) -> bool:
        """Whether a run depends on the runs before it."""
        return self._plan.module.manifest.state_bytes > 0

    def reset(self) -> None:
        """Forget the runs so far: a model that keeps state begins anew.

        Raises:
            RuntimeError: the model is closed.
        """
        if self.keeps_state:
            self._reopen(self._current())

    def _run_any(self, arrays: tuple[npt.NDArray[Any], ...]) -> tuple[npt.NDArray[Any], ...]:
        live = self._current()
        out = tuple(np.empty(shape, dtype) for shape, dtype in self._out_types)
        failed = live.run(self._ticks, arrays, out)
        return out if not failed else self._run_again(live, failed, arrays)

    def _run_again(
        self, live: NativeInstance | PlainInstance, failed: Any, arrays: tuple[npt.NDArray[Any], ...]
    ) -> tuple[npt.NDArray[Any], ...]:
        """Raise what a failed run means, unless it only found the instance broken by an earlier one."""
        try:
            failure = live.explain(failed)
        except BrokenSession:
            self._reopen(live)
            return self._run_any(checked_arrays(self.name, self.inputs, arrays))
        raise error_for(failure, self._plan.module.manifest, deadline_s=self._deadline_s, doing="infer")

    def _current(self) -> NativeInstance | PlainInstance:
        live = self._live
        if live is None:
            raise RuntimeError(f"model {self.name!r} is closed")
        return live

    def _open(self) -> NativeInstance | PlainInstance:
        ticks = epoch_ticks(max(self._deadline_s, PREPARE_S))
        live = open_instance(self._plan, ticks)
        failed = live.prepare(ticks)
        if failed:
            failure = live.explain(failed)
            live.close()
            raise error_for(failure, self._plan.module.manifest, deadline_s=PREPARE_S, doing="prepare")
        return live

    def _reopen(self, broken: NativeInstance | PlainInstance) -> None:
        """Replace `broken`, once, however many threads met it. It is freed when the last of them lets go."""
        with self._reopen_lock:
            if self._live is broken:
                self._live = self._open()
                self.restarts += 1

    def close(self) -> None:
        """Free the model; a call under way in another thread ends first."""
        self._live = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<model {self.name!r} on {self.engine}>"

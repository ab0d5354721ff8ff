"""A model in another runtime: the same handle as `edge_sdk.runtime.session.Session`, with a process behind it.

    with open_foreign(data, "litert", name="kws") as model:
        (y,) = model.run(x)

    run --> child ready? --no, ended--> start another (pauses grow) --> wait for it, as long as the deadline allows
             |                                                            |
             +--> ask, wait for the answer ------- late, dead, nonsense --+--> killed, counted, error for this call

Calls run one after another, from any thread. State that a model keeps from call to call lives in the process and is
lost with it.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edge_sdk.engines import DELEGATES, ForeignEngine
from edge_sdk.errors import (
    DeadlineError,
    EdgeError,
    EngineFaultError,
    MissingExtraError,
    ModelError,
    TargetNotFoundError,
    UnsupportedPlatformError,
    UsageError,
)
from edge_sdk.foreign import wire
from edge_sdk.foreign.process import Child, Ran, first_task, interpreter_of, sealed
from edge_sdk.foreign.restarts import Restarts
from edge_sdk.registry import nearest
from edge_sdk.tensor import DTYPE_BYTES, TensorSpec, checked_arrays
from edge_sdk.units import printable

MIB = 1 << 20
MAX_DEADLINE_S = 3600.0
#: Starting Python, numpy and the runtime on a slow board, and packing a large model's weights.
START_S = 60.0
#: A description that has begun to arrive is complete within this time.
MESSAGE_S = 1.0
#: A dying process closes its pipes before it can be reaped.
DYING_S = 2.0


@dataclass(frozen=True)
class ForeignInfo:
    """What runs a model, in the words of `edge_sdk.runtime.provider.EngineInfo`.

    Attributes:
        name: a row of FOREIGN.
        version: of the runtime.
        isa: who computes: "XNNPACK", "built-in kernels", "reference kernels" or a vendor's library.
        reason: why this one.
        threads: how many threads compute.
    """

    name: str
    version: str
    isa: str
    reason: str
    threads: int

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.isa}) in a child process"


def open_foreign(
    data: bytes,
    engine: ForeignEngine,
    *,
    name: str = "model",
    threads: int = 1,
    deadline_s: float = 10.0,
    memory_mib: float = 256,
    delegate: str = "xnnpack",
    delegate_options: Mapping[str, str] | None = None,
) -> ForeignSession:
    """Return a session for the model file in `data`.

    Args:
        data: the file as its runtime reads it, such as .tflite.
        engine: a row of FOREIGN.
        name: for messages.
        threads, deadline_s: as in `edge_sdk.load`.
        memory_mib: most memory the child may take besides Python, numpy and the runtime, in MiB.
        delegate: a row of DELEGATES, or a vendor's library: its path, or its name as the linker finds it.
        delegate_options: for the vendor's library.

    Raises:
        MissingExtraError: the runtime is not installed where the child looks for it.
        ModelError: the runtime refuses the model, or its tensors cannot be handed over.
        EngineFaultError: the runtime dies of the model.
        UnsupportedPlatformError: the vendor's library cannot be used here.
        UsageError, TargetNotFoundError: an argument is wrong.
    """
    if threads < 1:
        raise UsageError(f"threads is {threads}, expected 1 or more")
    if not 0 < deadline_s <= MAX_DEADLINE_S:
        raise UsageError(f"deadline_s is {deadline_s}, expected more than 0 and at most {MAX_DEADLINE_S:.0f} s")
    if not 0 < memory_mib < 1 << 32:
        raise UsageError(f"memory_mib is {memory_mib}, expected more than 0")
    if not data:
        raise ModelError(f"{name}: the file is empty")
    python = interpreter_of(engine)
    task = first_task(engine, python) | {
        "threads": threads,
        "memory_bytes": int(memory_mib * MIB),
        "delegate": _delegate(delegate),
        "library": delegate not in DELEGATES,
        "delegate_options": dict(delegate_options or {}),
    }
    if delegate_options and not task["library"]:
        raise UsageError(f"delegate {delegate!r} takes no options", hint="delegate=/path/to/library.so")
    return ForeignSession(engine, python, task, data, name=name, deadline_s=deadline_s)


class ForeignSession:
    """A loaded model. Close it, or use it in a `with` statement.

    Attributes:
        inputs: what `run` takes, in order.
        outputs: what `run` returns, in order; a shape that depends on the input is the one before the first run.
        engine: what runs it, and why.
        restarts: how often its process was started again.
        name: for messages.
        source_sha256: of the model file.
    """

    def __init__(
        self, engine: ForeignEngine, python: str, task: dict[str, Any], data: bytes, *, name: str, deadline_s: float
    ) -> None:
        self.name = name
        self.source_sha256 = hashlib.sha256(data).hexdigest()
        self.restarts = 0
        self._row, self._python, self._task = engine, python, task
        self._deadline_s = deadline_s
        self._anew = False
        self._memory_bytes: int = task["memory_bytes"]
        self._pauses = Restarts()
        self._lock = threading.Lock()
        self._held = _Held(sealed(data))
        self._end = weakref.finalize(self, self._held.release)
        try:
            self._opened = opened = self._first()
        except BaseException:
            self._end()
            raise
        self.inputs = tuple(self._spec(one, "input") for one in opened.inputs)
        self.outputs = tuple(self._spec(one, "output") for one in opened.outputs)
        self.engine = ForeignInfo(engine.name, opened.version, self._kernels(opened), "asked for", task["threads"])
        self._dtypes = tuple(spec.dtype for spec in self.outputs)

    def run(self, *arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        """Run the model once.

        Args:
            arrays: one for each of `inputs`, with its dtype and shape.

        Returns:
            Fresh arrays, one for each of `outputs`.

        Raises:
            InputError: wrong count, dtype or shape.
            DeadlineError: it took longer than the deadline; its process was killed.
            EngineFaultError: the runtime reported a failure or died, or one that died may not be started again yet.
            RuntimeError: the model is closed.
        """
        return self.time_runs(*arrays).outputs

    def time_runs(self, *arrays: npt.NDArray[Any], times: int = 1) -> Ran:
        """Run the model so many times on the same inputs, and measure where it runs; else as `run`.

        Raises:
            ValueError: `times` is below 1.
        """
        if times < 1:
            raise ValueError(f"times is {times}, expected 1 or more")
        checked = checked_arrays(self.name, self.inputs, arrays)
        with self._lock:
            until_s = time.monotonic() + self._deadline_s
            child = self._ready(until_s)
            try:
                answer = child.run(checked, self._dtypes, self._memory_bytes, until_s, anew=self._anew, times=times)
            except wire.SilentError:
                self._lost(child, 0.0)
                self._start_again()
                raise self._late(f"took longer than the deadline of {self._deadline_s:g} s; it was killed") from None
            except (wire.GoneError, wire.NonsenseError) as error:
                cause = self._lost(child, DYING_S if isinstance(error, wire.GoneError) else 0.0)
                self._start_again()
                raise self._fault(cause if isinstance(error, wire.GoneError) else f"sent nonsense: {error}") from None
            except BaseException:  # interrupted: nobody may take the answer for that of the next call
                self._lost(child, 0.0)
                raise
            finally:  # a process that was lost has taken its memory with it
                self._anew = False
        if isinstance(answer, wire.Refused):
            raise self._refusal(answer)
        return answer

    @property
    def keeps_state(self) -> bool:
        """Whether a run depends on the runs before it; a vendor's or an own operator's memory is not known."""
        return self._opened.keeps_state

    def reset(self) -> None:
        """Forget the runs so far: the next one takes as long as loading the model.

        Raises:
            RuntimeError: the model is closed.
        """
        with self._lock:
            if not self._end.alive:
                raise RuntimeError(f"model {self.name!r} is closed")
            self._anew = self.keeps_state

    def close(self) -> None:
        """End the process; a call under way in another thread ends first."""
        with self._lock:
            self._end()

    def __enter__(self) -> ForeignSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<model {self.name!r} on {self.engine}>"

    @property
    def pid(self) -> int:
        """Of the process that serves now; 0 while there is none."""
        child = self._held.child
        return child.pid if child is not None else 0

    def _first(self) -> wire.Opened:
        """Start the first process and return what it says of the model."""
        child = self._spawn()
        try:
            answer = child.receive(wire.Opened, child.started_s + max(self._deadline_s, START_S))
        except wire.SilentError:
            raise self._late(f"did not load the model within {max(self._deadline_s, START_S):g} s") from None
        except wire.GoneError:
            cause = self._held.drop(DYING_S)
            raise self._fault(f"died while it loaded the model: {cause}") from None
        except wire.NonsenseError as error:
            raise self._fault(f"sent nonsense: {error}") from None
        if isinstance(answer, wire.Refused):
            raise self._refusal(answer)
        child.opened = answer
        return answer

    def _ready(self, until_s: float) -> Child:
        """Return a process that can be asked."""
        if not self._end.alive:
            raise RuntimeError(f"model {self.name!r} is closed")
        child = self._held.child
        if child is not None and not child.is_ours:  # a fork: the other process speaks to it
            self._held.drop(0.0)
            child = None
        if child is None:
            child = self._started()
        if child.opened is None:
            self._await_opened(child, until_s)
        return child

    def _started(self) -> Child:
        wait_s = self._pauses.wait_s()
        if wait_s > 0:
            raise self._fault(
                f"its process ended {self._pauses.in_a_row} times in a row; it is started again in {wait_s:.1f} s"
            )
        self.restarts += 1
        return self._spawn()

    def _spawn(self) -> Child:
        began_s = time.monotonic()
        try:
            self._held.child = child = Child(self._python, self._task, self._held.model)
        except OSError as error:
            self._pauses.ended(began_s)
            raise self._fault(f"{self._python} cannot be started: {error.strerror}") from error
        return child

    def _start_again(self) -> None:
        """Start at once what may be started at once, so that it is ready for the next call."""
        if self._pauses.wait_s() == 0:
            with suppress(EngineFaultError):  # the next call says it
                self._started()

    def _await_opened(self, child: Child, until_s: float) -> None:
        """Wait until a process that was started again has loaded the model, as long as the deadline allows."""
        limit_s = child.started_s + max(self._deadline_s, START_S)
        try:
            child.wait(min(until_s, limit_s))
        except wire.SilentError:
            if time.monotonic() >= limit_s:
                self._lost(child, 0.0)
            raise self._late("is still being started again") from None
        try:
            # What has begun to arrive is taken whole, or the rest would be read as the next message.
            answer = child.receive(wire.Opened, max(until_s, time.monotonic() + MESSAGE_S))
        except (wire.GoneError, wire.NonsenseError, wire.SilentError) as error:
            cause = self._lost(child, DYING_S if isinstance(error, wire.GoneError) else 0.0)
            raise self._fault(f"could not be started again: {str(error) or cause}") from None
        if isinstance(answer, wire.Refused):
            self._lost(child, 0.0)
            raise self._fault(f"could not be started again: {printable(answer.text)}")
        if answer != self._opened:
            self._lost(child, 0.0)
            raise self._fault("describes the model otherwise than before")
        child.opened = answer

    def _lost(self, child: Child, patience_s: float) -> str:
        """Reap a process, count its end, and return how it died."""
        self._pauses.ended(child.started_s)
        return self._held.drop(patience_s)

    def _spec(self, tensor: wire.Tensor, kind: str) -> TensorSpec:
        name = printable(tensor.name)
        if tensor.dtype not in DTYPE_BYTES:
            raise self._broken(f"{kind} {name!r} is {tensor.dtype}, which cannot be handed over")
        if kind == "input" and not all(tensor.shape):
            raise self._broken(f"input {name!r} has no fixed shape: {list(tensor.shape)}")
        spec = TensorSpec(tensor.name, tensor.dtype, tensor.shape, tensor.scale, tensor.zero_point)
        if spec.size_bytes > self._memory_bytes:
            raise self._broken(f"{kind} {name!r} is larger than the memory it may use: {list(tensor.shape)}")
        return spec

    def _kernels(self, opened: wire.Opened) -> str:
        delegate: str = self._task["delegate"]
        if delegate == "reference":
            return "reference kernels"
        if not opened.delegated:
            library = "" if delegate in DELEGATES else f": {os.path.basename(delegate)} took no operator"
            return f"built-in kernels{library}"
        return "XNNPACK" if delegate in DELEGATES else os.path.basename(delegate)

    def _broken(self, text: str) -> ModelError:
        self._end()
        return ModelError(f"{self.name}: {text}")

    def _late(self, text: str) -> DeadlineError:
        return DeadlineError(f"{self.name}: {self._row.name} {text}")

    def _fault(self, text: str) -> EngineFaultError:
        return EngineFaultError(
            f"{self.name}: {self._row.name}: {text}", hint="try delegate none, or another engine, if it happens again"
        )

    def _refusal(self, refused: wire.Refused) -> EdgeError:
        """Return the error for what the runtime itself said."""
        text = f"{self.name}: {self._row.name}: {printable(refused.text)}"
        match refused.fault:
            case "environment":
                text = f"engine {self._row.name!r} is not usable here: {printable(refused.text)}"
                return MissingExtraError(text, hint=self._row.missing_hint)
            case "delegate":
                text = f"delegate {self._task['delegate']}: {printable(refused.text)}"
                return UnsupportedPlatformError(text, hint="is the device plugged in, and its library installed?")
            case "memory":
                return EngineFaultError(
                    f"{text} than memory_mib = {self._memory_bytes / MIB:g}", hint="allow it more with memory_mib"
                )
            case "model":
                return ModelError(
                    text, hint="check the file; if it is good, allow it more memory or take another engine"
                )
        return EngineFaultError(text)


class _Held:
    """What has to be let go, also when nobody closed the session."""

    def __init__(self, model: int) -> None:
        self.model = model
        self.child: Child | None = None

    def drop(self, patience_s: float) -> str:
        child, self.child = self.child, None
        return child.end(patience_s) if child is not None else ""

    def release(self) -> None:
        self.drop(0.0)
        os.close(self.model)


def _delegate(word: str) -> str:
    """Return a delegate as the child takes it, which has another working folder."""
    if word in DELEGATES:
        return word
    if "/" not in word:
        if ".so" not in word:
            known = ", ".join(DELEGATES)
            raise UsageError(
                f"unknown delegate {word!r}{nearest(word, DELEGATES)} (known: {known}, or a library such as "
                "libedgetpu.so.1)"
            )
        return word
    path = Path(word).absolute()
    if not path.is_file():
        raise TargetNotFoundError(f"delegate {word}: no such file", hint=f"ls {path.parent}")
    return str(path)


__all__ = ["ForeignInfo", "ForeignSession", "open_foreign"]

"""The program of the child process: another runtime with one model, asked through pipes. Started, never imported.

    edge-sdk                                    this program
      ask     --- u32 length | JSON | bytes --->  first the task; then, for each run, {"anew", "times"} and all inputs
      answer  <-- u32 length | JSON | bytes ----  what the model is; then the outputs, or {"fault", "text"}
      life    (never written)                     its end is the end of edge-sdk: SIGIO kills, also inside invoke
      model   sealed memory                       the file, which nobody can change any more

It needs Python 3.9, numpy and the runtime, nothing of edge-sdk: its interpreter may be that of another environment.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib
import json
import math
import os
import resource
import select
import signal
import struct
import sys
import time
from importlib import metadata
from typing import Any, NoReturn

MAX_TEXT = 2000
MORE_MEMORY = "it needs more memory"
#: What is said of no model.
EMPTY: dict[str, Any] = {"delegated": 0, "keeps_state": False, "inputs": [], "outputs": []}
#: Operators of the TFLite schema whose results depend on earlier runs.
KEEP_STATE = {
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "LSTM",
    "RNN",
    "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "VAR_HANDLE",
}


class RefusalError(Exception):
    """What the parent has to know; `fault` is the kind: environment, delegate, model, memory or run."""

    def __init__(self, fault: str, text: object) -> None:
        super().__init__(" ".join(str(text).split()) or f"{type(text).__name__} without a word")
        self.fault = fault


def main(ask: int, answer: int, life: int, model: int) -> None:
    """Serve until the parent closes its end."""
    die_with_parent(life)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    task = json.loads(read_message(ask))
    try:
        if task["probe"]:
            version = find_runtime(task)[1]
            write(answer, json.dumps({"is": "opened", "version": version, **EMPTY}).encode())
            return
        served = Served(task, f"/proc/self/fd/{model}")
    except RefusalError as refusal:
        refuse(answer, refusal)
        return
    write(answer, json.dumps(served.description).encode())
    while True:
        asked = json.loads(read_message(ask))
        try:
            arrays = [read_array(ask, detail) for detail in served.inputs]
        except MemoryError:  # in the middle of the inputs: what follows could not be understood
            refuse(answer, RefusalError("memory", MORE_MEMORY))
            return
        try:
            if asked["anew"]:
                served.open()
            began_ns = time.thread_time_ns(), time.perf_counter_ns()
            for _ in range(asked["times"]):
                outputs = served.run(arrays)
            took = {"cpu_ns": time.thread_time_ns() - began_ns[0], "wall_ns": time.perf_counter_ns() - began_ns[1]}
        except RefusalError as refusal:
            refuse(answer, refusal)
            continue
        header = {"is": "done", **took, "outputs": [{"dtype": str(one.dtype), "shape": one.shape} for one in outputs]}
        write(answer, json.dumps(header).encode(), *(one.reshape(-1).view("uint8") for one in outputs))


class Served:
    """The interpreter and what it takes and gives."""

    def __init__(self, task: dict[str, Any], path: str) -> None:
        runtime, version = find_runtime(task)
        limit_memory(task["memory_bytes"])
        self._delegates = load_delegates(runtime, task)
        self._create = functools.partial(
            runtime.Interpreter,
            model_path=path,
            num_threads=task["threads"],
            experimental_op_resolver_type=getattr(runtime.OpResolverType, resolver_of(task)),
        )
        self.open()
        operators = [one["op_name"] for one in self._interpreter._get_ops_details()]
        self.description = {
            "is": "opened",
            "version": version,
            "delegated": operators.count("DELEGATE"),
            "keeps_state": not KEEP_STATE.isdisjoint(operators),
            "inputs": [described(one) for one in self.inputs],
            "outputs": [described(one) for one in self._outputs],
        }

    def open(self) -> None:
        """Make the interpreter, without anything that an earlier one remembers."""
        self._interpreter: Any = None  # the memory of both at once may be too much
        try:
            self._interpreter = self._create(experimental_delegates=self._delegates)
            self._interpreter.allocate_tensors()
            self.inputs = self._interpreter.get_input_details()
            self._outputs = self._interpreter.get_output_details()
        except MemoryError:
            raise RefusalError("memory", MORE_MEMORY) from None
        except Exception as error:
            raise RefusalError("model", error) from error

    def run(self, arrays: list[Any]) -> list[Any]:
        """Return fresh outputs."""
        try:
            for detail, array in zip(self.inputs, arrays):  # noqa: B905 - Python 3.9 has no strict
                self._interpreter.set_tensor(detail["index"], array)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(one["index"]) for one in self._outputs]
        except MemoryError:
            raise RefusalError("memory", MORE_MEMORY) from None
        except Exception as error:
            raise RefusalError("run", error) from error


def find_runtime(task: dict[str, Any]) -> tuple[Any, str]:
    """Import the runtime; return it with its version."""
    sys.path[:] = task["path"] or sys.path
    try:
        import numpy as np

        runtime = importlib.import_module(task["module"])
        version = metadata.version(task["distribution"])
    except (ImportError, metadata.PackageNotFoundError) as error:
        raise RefusalError("environment", f"{error} ({sys.executable}, Python {sys.version.split()[0]})") from error
    below = task["numpy_below"]
    if below and int(np.__version__.split(".")[0]) >= below:
        text = f"{task['distribution']} {version} needs numpy below {below}; {sys.executable} has {np.__version__}"
        raise RefusalError("environment", text)
    return runtime, version


def resolver_of(task: dict[str, Any]) -> str:
    """Return the name of the OpResolverType: with a vendor's library nobody else may take operators."""
    return {"reference": "BUILTIN_REF", "xnnpack": "AUTO"}.get(task["delegate"], "BUILTIN_WITHOUT_DEFAULT_DELEGATES")


def load_delegates(runtime: Any, task: dict[str, Any]) -> list[Any]:
    """Load the vendor's library, if one is named."""
    if not task["library"]:
        return []
    try:
        return [runtime.load_delegate(task["delegate"], task["delegate_options"])]
    except (OSError, ValueError, AttributeError) as error:
        own_words = str(error).partition("\n")[2]  # the runtime's first line only repeats the path
        raise RefusalError("delegate", own_words or error) from error


def described(detail: dict[str, Any]) -> dict[str, Any]:
    """Return what a tensor is, in plain values."""
    import numpy as np

    parameters = detail["quantization_parameters"]
    single = len(parameters["scales"]) == 1
    return {
        "name": detail["name"],
        "dtype": np.dtype(detail["dtype"]).name,
        "shape": [int(size) for size in detail["shape"]],
        "scale": float(parameters["scales"][0]) if single else 0.0,
        "zero_point": int(parameters["zero_points"][0]) if single and len(parameters["zero_points"]) else 0,
    }


def limit_memory(size_bytes: int) -> None:
    """Bound what is allocated from now on: Python, numpy and the runtime itself are there already.

    RLIMIT_DATA, not RLIMIT_AS: drivers reserve address space that they never use.
    """
    with open("/proc/self/status") as status:
        now = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData:"))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = now + size_bytes if hard == resource.RLIM_INFINITY else min(now + size_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def die_with_parent(life: int) -> None:
    """Let the kernel send SIGIO, which kills, when the other end of this pipe is gone.

    PR_SET_PDEATHSIG would follow the thread that started us, and threads end before their process does.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO})
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:  # it went before we listened
        raise EOFError


def read_array(ask: int, detail: dict[str, Any]) -> Any:
    """Read one input."""
    import numpy as np

    dtype, shape = np.dtype(detail["dtype"]), [int(size) for size in detail["shape"]]
    data = bytearray(dtype.itemsize * math.prod(shape))
    fill(ask, memoryview(data))
    return np.frombuffer(data, dtype).reshape(shape)


def read_message(ask: int) -> bytes:
    """Read one message; the parent is trusted."""
    head = bytearray(4)
    fill(ask, memoryview(head))
    body = bytearray(struct.unpack("<I", head)[0])
    fill(ask, memoryview(body))
    return bytes(body)


def fill(ask: int, view: memoryview) -> None:
    """Read until `view` is full. Raises EOFError when the parent has closed its end."""
    while view:
        count = os.readv(ask, [view])
        if not count:
            raise EOFError
        view = view[count:]


def refuse(answer: int, refusal: RefusalError) -> None:
    """Say what went wrong."""
    write(answer, json.dumps({"is": "refused", "fault": refusal.fault, "text": str(refusal)[:MAX_TEXT]}).encode())


def write(answer: int, message: bytes, *arrays: Any) -> None:
    """Write one message and the bytes of arrays behind it: at once, so that the other side wakes up once."""
    views = [memoryview(struct.pack("<I", len(message)) + message), *(memoryview(one) for one in arrays)]
    while views:
        count = os.writev(answer, views)
        while views and count >= len(views[0]):
            count -= len(views.pop(0))
        if views:
            views[0] = views[0][count:]


def start(arguments: list[str]) -> NoReturn:
    """Run the program and leave without destructors: a runtime may crash in its own."""
    with contextlib.suppress(BrokenPipeError, EOFError):
        main(*map(int, arguments))
    os._exit(0)


if __name__ == "__main__":
    start(sys.argv[1:])

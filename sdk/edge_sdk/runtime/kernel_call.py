"""One kernel on numpy arrays, outside any model: for signal processing, tests and benchmarks.

    with KernelCaller() as kernels:
        out = kernels.call("add_f32", inputs={"a": a, "b": b}, outputs={"output": (a.shape, "float32")},
                           count=n, a_count=n, b_count=n, act_min=-1e30, act_max=1e30)
        out["output"]

The caller owns a linear memory laid out anew in each call; everything in it starts on 64 bytes:

    0          KERNEL_RESERVE
    | kernels' | descriptor | inputs | outputs | packed, scratch |
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge_sdk import abi
from edge_sdk.abi import ISAS, KERNEL_RESERVE, KERNELS, WASM_PAGE_BYTES, Kernel, round_up
from edge_sdk.errors import SandboxError, UnsupportedPlatformError, UsageError, VerificationError
from edge_sdk.registry import nearest
from edge_sdk.runtime import traps
from edge_sdk.runtime._wasmtime import wasmtime
from edge_sdk.runtime.cache import compiled
from edge_sdk.runtime.engine import engine_for, sandbox_spec
from edge_sdk.runtime.native import Library
from edge_sdk.runtime.provider import EngineInfo, check_provider_name, native_status
from edge_sdk.runtime.sandbox import FILES, best_isa, kernels_wasm, relaxed_dot_is_exact

Array = npt.NDArray[Any]
OutputSpec = tuple[tuple[int, ...], str]

ALIGN = 64
CANARY = 0xA5
#: Most linear memory of one call.
MAX_MEMORY_BYTES = 1 << 30
#: Set by the layout, not by the caller, unless a test wants to lie.
REGIONS = ("packed", "packed_bytes", "scratch", "scratch_bytes")


class _Provider(Protocol):
    def memory(self, size_bytes: int) -> npt.NDArray[np.uint8]:
        """Return the linear memory, at least this large. Contents are kept."""

    def prepare(self, kernel: Kernel, descriptor: int) -> int: ...

    def call(self, kernel: Kernel, descriptor: int) -> int: ...

    def close(self) -> None: ...


class _HostProvider:
    """Native kernels over a numpy buffer."""

    def __init__(self, library: Library, isa: int, threads: int) -> None:
        self._library = library
        self._host = library.lib.edge_host_open(isa, MAX_MEMORY_BYTES, threads)
        if self._host == library.ffi.NULL:
            raise UnsupportedPlatformError(f"this CPU does not run {ISAS[isa]} kernels")
        self._memory = np.zeros(0, np.uint8)

    def memory(self, size_bytes: int) -> npt.NDArray[np.uint8]:
        if size_bytes > self._memory.size:
            raw = np.zeros(size_bytes + WASM_PAGE_BYTES, np.uint8)
            start = -raw.ctypes.data % WASM_PAGE_BYTES
            grown = raw[start : start + size_bytes]
            grown[: self._memory.size] = self._memory
            self._memory = grown
            self._address = self._library.ffi.from_buffer(grown)
        return self._memory

    def prepare(self, kernel: Kernel, descriptor: int) -> int:
        lib = self._library.lib
        return int(lib.edge_native_prepare(self._host, kernel.number, self._address, self._memory.size, descriptor))

    def call(self, kernel: Kernel, descriptor: int) -> int:
        lib = self._library.lib
        return int(lib.edge_native_call(self._host, kernel.number, self._address, self._memory.size, descriptor))

    def close(self) -> None:
        self._library.lib.edge_host_close(self._host)


class _SandboxProvider:
    """kernels.wasm over a memory of its own."""

    def __init__(self, module_name: str) -> None:
        spec = sandbox_spec(MAX_MEMORY_BYTES, epochs=False)  # kernels are ours and bounded
        self._store = wasmtime.Store(engine_for(spec))
        limits = wasmtime.Limits(KERNEL_RESERVE // WASM_PAGE_BYTES + 1, MAX_MEMORY_BYTES // WASM_PAGE_BYTES)
        self._memory = wasmtime.Memory(self._store, wasmtime.MemoryType(limits))
        module = compiled(spec, kernels_wasm(module_name))
        self._exports: Any = wasmtime.Instance(self._store, module, [self._memory]).exports(self._store)

    def memory(self, size_bytes: int) -> npt.NDArray[np.uint8]:
        missing = size_bytes - self._memory.data_len(self._store)
        if missing > 0:
            self._memory.grow(self._store, -(-missing // WASM_PAGE_BYTES))
        view: npt.NDArray[np.uint8] = np.ctypeslib.as_array(
            ctypes.cast(self._memory.data_ptr(self._store), ctypes.POINTER(ctypes.c_uint8)),
            (self._memory.data_len(self._store),),
        )
        return view

    def prepare(self, kernel: Kernel, descriptor: int) -> int:
        return self._invoke(f"prepare_{kernel.name}", descriptor)

    def call(self, kernel: Kernel, descriptor: int) -> int:
        return self._invoke(kernel.name, descriptor)

    def _invoke(self, name: str, descriptor: int) -> int:
        try:
            return int(self._exports[name](self._store, descriptor))
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise SandboxError(f"{name}: {traps.from_exception(error).text}") from None

    def close(self) -> None:
        self._store.close()


@dataclass
class _Layout:
    """Where everything of one call lies, and its descriptor's fields."""

    fields: dict[str, float] = field(default_factory=dict)
    end: int = KERNEL_RESERVE

    def place(self, name: str, size_bytes: int, margin: int = 0) -> None:
        self.fields[name] = round_up(self.end + margin, ALIGN)
        self.end = int(self.fields[name]) + size_bytes + margin


class KernelCaller:
    """Calls kernels one at a time. Not thread-safe.

    Args:
        provider: "auto", "host" or "sandbox".
        isa: one of kernels/abi/isa.def instead of the best; for the sandbox a row of `sandbox.FILES`.
        threads: of the host provider.

    Raises:
        UsageError: no such provider or ISA.
        UnsupportedPlatformError: it does not run here.
    """

    def __init__(self, provider: str = "auto", isa: str | None = None, *, threads: int = 1) -> None:
        check_provider_name(provider)
        if isa is not None and isa not in ISAS.values():
            raise UsageError(f"unknown ISA {isa!r}{nearest(isa, list(ISAS.values()))}")
        status = native_status()
        is_wasm = isa is not None and isa.startswith("wasm_")
        if provider == "auto":
            provider = "sandbox" if is_wasm or status.reason else "host"
        if is_wasm != (provider == "sandbox") and isa is not None:
            raise UsageError(f"ISA {isa!r} is not one of the provider {provider!r}")
        self._provider: _Provider
        if provider == "host":
            self._provider, self.engine = _open_host(isa, threads)
        else:
            self._provider, self.engine = _open_sandbox(isa)
        self._prepared: tuple[bytes, list[Any]] | None = None
        self._is_open = True

    def call(
        self,
        kernel_name: str,
        *,
        inputs: Mapping[str, Array],
        outputs: Mapping[str, OutputSpec],
        offsets: Mapping[str, int | str] | None = None,
        guard: bool = False,
        **fields: float,
    ) -> dict[str, Array]:
        """Run all rows of one kernel.

        Args:
            kernel_name: a row of kernels/abi/kernels.def.
            inputs: field of the descriptor -> array. Packed kernels are prepared again only when the descriptor or
                one of these objects, `input` apart, is another; contents changed in place are not noticed.
            outputs: field -> (shape, dtype).
            offsets: field -> an offset to use instead, or another field to lie upon (work in place).
            guard: surround the outputs with canary bytes and look at them afterwards.
            fields: the other fields. version, node, regions, begin and end are filled in unless given; begin and end
                make one call, otherwise as many are made as MAX_WORK asks for.

        Returns:
            Field -> fresh array.

        Raises:
            SandboxError: the kernel refuses; the message names the field.
            VerificationError: a canary changed.
        """
        if not self._is_open:
            raise RuntimeError("this KernelCaller is closed")
        if kernel_name not in KERNELS:
            raise ValueError(f"unknown kernel {kernel_name!r}{nearest(kernel_name, list(KERNELS))}")
        kernel = KERNELS[kernel_name]
        fields = {name: value.item() if isinstance(value, np.generic) else value for name, value in fields.items()}
        layout = self._lay_out(kernel, inputs, outputs, offsets or {}, ALIGN if guard else 0, fields)
        memory = self._provider.memory(round_up(layout.end, WASM_PAGE_BYTES))
        is_prepared = self._is_prepared(kernel, layout, inputs)
        for name, array in inputs.items():
            if name == "input" or not is_prepared:
                _write(memory, int(layout.fields[name]), array)
        check = _guard(memory, layout, outputs) if guard else None
        self._run(kernel, layout, memory, is_prepared, fields)
        if check is not None:
            check()
        return {name: _read(memory, int(layout.fields[name]), *spec) for name, spec in outputs.items()}

    def _lay_out(
        self,
        kernel: Kernel,
        inputs: Mapping[str, Array],
        outputs: Mapping[str, OutputSpec],
        offsets: Mapping[str, int | str],
        margin: int,
        fields: Mapping[str, float],
    ) -> _Layout:
        layout = _Layout()
        layout.place("descriptor", kernel.descriptor_bytes)
        sizes = {name: array.nbytes for name, array in inputs.items()}
        sizes |= {name: _size(spec) for name, spec in outputs.items()}
        for name, size in sizes.items():
            if not isinstance(offsets.get(name), str):
                layout.place(name, size, margin)
        for name, where in offsets.items():
            layout.fields[name] = layout.fields[where] if isinstance(where, str) else where
        values = {**dict.fromkeys(kernel.fields, 0), **fields}
        for region, size in (
            ("packed", abi.packed_bytes(kernel, values)),
            ("scratch", abi.scratch_bytes(kernel, values)),
        ):
            if region in kernel.fields:
                layout.place(region, size)
                layout.fields[f"{region}_bytes"] = size
        layout.fields.update(fields)
        unknown = layout.fields.keys() - kernel.fields.keys() - {"descriptor"}
        if unknown:
            raise ValueError(f"kernel {kernel.name!r} has no field {sorted(unknown)}")
        if layout.end > MAX_MEMORY_BYTES:
            raise ValueError(f"kernel {kernel.name!r}: {layout.end} bytes, at most {MAX_MEMORY_BYTES}")
        return layout

    def _is_prepared(self, kernel: Kernel, layout: _Layout, inputs: Mapping[str, Array]) -> bool:
        """Return whether the last call prepared just this, and remember that this one will."""
        if not kernel.packed:
            self._prepared = None
            return False
        key = _descriptor(kernel, layout, 0, 0)
        weights = [array for name, array in inputs.items() if name != "input"]
        last, self._prepared = self._prepared, (key, weights)
        return last is not None and last[0] == key and _same_objects(last[1], weights)

    def _run(
        self, kernel: Kernel, layout: _Layout, memory: Array, is_prepared: bool, fields: Mapping[str, float]
    ) -> None:
        at = int(layout.fields["descriptor"])
        for begin, end in _slices(kernel, layout.fields, fields):
            content = _descriptor(kernel, layout, begin, end)
            memory[at : at + len(content)] = np.frombuffer(content, np.uint8)
            if kernel.packed and not is_prepared:
                self._check(self._provider.prepare(kernel, at))
                is_prepared = True
            self._check(self._provider.call(kernel, at))

    def _check(self, status: int) -> None:
        if status:
            self._prepared = None
            raise SandboxError(f"{abi.NAMESPACE}.{abi.describe_status(status)}")

    def close(self) -> None:
        """Free the memory and the packed weights."""
        if self._is_open:
            self._is_open = False
            self._provider.close()

    def __enter__(self) -> KernelCaller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open_host(isa: str | None, threads: int) -> tuple[_HostProvider, EngineInfo]:
    status = native_status()
    library = status.library
    # The reference kernels run on every CPU, so only the library itself is asked for.
    if library is None or (status.reason and isa != "ref"):
        raise UnsupportedPlatformError(f"host kernels cannot run here: {status.reason}", hint="use the sandbox")
    number = library.isa if isa is None else next(n for n, name in ISAS.items() if name == isa)
    return _HostProvider(library, number, threads), EngineInfo("host", ISAS[number], "single kernels", threads)


def _open_sandbox(isa: str | None) -> tuple[_SandboxProvider, EngineInfo]:
    spec = sandbox_spec(MAX_MEMORY_BYTES, epochs=False)
    if isa == "wasm_relaxed" and not relaxed_dot_is_exact(spec):
        raise UnsupportedPlatformError("relaxed SIMD is not exact on this CPU", hint="use wasm_simd128")
    isa = isa or best_isa(spec)
    return _SandboxProvider(FILES[isa]), EngineInfo("sandbox", isa, "single kernels")


def _size(spec: OutputSpec) -> int:
    shape, dtype = spec
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def _same_objects(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _write(memory: Array, offset: int, array: Array) -> None:
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    if offset + raw.size <= memory.size:  # a test may put it outside: the kernel has to say so
        memory[offset : offset + raw.size] = raw


def _read(memory: Array, offset: int, shape: tuple[int, ...], dtype: str) -> Array:
    raw: Array = memory[offset : offset + _size((shape, dtype))].copy()
    return raw.view(dtype).reshape(shape)


def _descriptor(kernel: Kernel, layout: _Layout, begin: int, end: int) -> bytes:
    fields = {name: value for name, value in layout.fields.items() if name != "descriptor"}
    return kernel.pack(**(fields | {"begin": begin, "end": end}))


def _slices(kernel: Kernel, fields: Mapping[str, float], given: Mapping[str, float]) -> list[tuple[int, int]]:
    """Return the half-open ranges of rows, each within MAX_WORK."""
    values = dict.fromkeys(kernel.fields, 0) | dict(fields)
    count = abi.rows(kernel, values)
    if "begin" in given or "end" in given:
        return [(int(given.get("begin", 0)), int(given.get("end", count)))]
    step = max(1, abi.MAX_WORK // max(1, abi.row_work(kernel, values)))
    # Without rows there is still one call: the kernel says what is wrong.
    return [(begin, min(begin + step, count)) for begin in range(0, count, step)] or [(0, 0)]


def _guard(memory: Array, layout: _Layout, outputs: Mapping[str, OutputSpec]) -> Callable[[], None]:
    """Put canaries around the outputs; the function returned looks at them."""
    margins = []
    for name, spec in outputs.items():
        start = int(layout.fields[name])
        for at in (start - ALIGN, start + _size(spec)):
            memory[at : at + ALIGN] = CANARY
            margins.append((name, at))

    def check() -> None:
        for name, at in margins:
            changed = np.flatnonzero(memory[at : at + ALIGN] != CANARY)
            if changed.size:
                raise VerificationError(f"a kernel wrote at 0x{at + int(changed[0]):08x}, outside its {name!r}")

    return check

"""How fast each kernel is on each instruction set of this CPU: billions of operations a second on one core.

    python benchmarks/kernels.py [--kernel conv2d_s8] [--isa ref,avx2] [--seconds 0.3] [--json]

The native library is called directly on a plain buffer, weights packed once, in slices of at most MAX_WORK as in a
model. For convolutions and matrices an operation is half a multiply-accumulate; for the others it is one element read.
All instruction sets of a row take turns, so ratios within a row are worth more than the numbers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_sdk import abi
from edge_sdk.bench.interleave import Samples, interleave
from edge_sdk.runtime.native import Library
from edge_sdk.runtime.provider import native_status

ALIGN = 64
PACKED_LIMIT = 256 << 20
_AS_NUMPY = {"s8": np.int8, "f32": np.float32, "i32": np.int32, "u32": np.uint32, "f64": np.float64}


@dataclass(frozen=True)
class Case:
    """One row of the table: a kernel, the numbers of its descriptor, and its arrays (field -> dtype, elements)."""

    title: str
    kernel: str
    fields: Mapping[str, float]
    arrays: Mapping[str, tuple[str, int]]
    operations: int
    values: Mapping[str, np.ndarray] = field(default_factory=dict)


def conv(title: str, dtype: str, size: int, c: int, n: int, taps: int, stride: int, *, depthwise: bool = False) -> Case:
    """A convolution with padding SAME on a square image."""
    out = -(-size // stride)
    pad = max((out - 1) * stride + taps - size, 0) // 2
    family = "depthwise_conv2d" if depthwise else "conv2d"
    filters = taps * taps * (n if depthwise else n * c)
    fields = {
        "batch": 1, "input_h": size, "input_w": size, "input_c": c, "output_h": out, "output_w": out, "output_c": n,
        "filter_h": taps, "filter_w": taps, "stride_h": stride, "stride_w": stride, "dilation_h": 1, "dilation_w": 1,
        "pad_top": pad, "pad_left": pad,
    }  # fmt: skip
    arrays = {"input": (dtype, size * size * c), "filter": (dtype, filters), "output": (dtype, out * out * n)}
    return _with_channels(Case(title, f"{family}_{dtype}", fields, arrays, 2 * out * out * filters), dtype, n)


def dense(title: str, dtype: str, k: int, n: int, batch: int = 1) -> Case:
    """A fully connected layer."""
    fields = {"batch": batch, "input_c": k, "output_c": n}
    arrays = {"input": (dtype, batch * k), "filter": (dtype, n * k), "output": (dtype, batch * n)}
    return _with_channels(Case(title, f"fully_connected_{dtype}", fields, arrays, 2 * batch * k * n), dtype, n)


def _with_channels(case: Case, dtype: str, n: int) -> Case:
    """Add the arrays that have one entry a channel, and the limits of the activation."""
    arrays, values, fields = dict(case.arrays), dict(case.values), dict(case.fields)
    arrays["bias"] = ("i32" if dtype == "s8" else "f32", n)
    if dtype == "s8" and case.kernel.startswith("fully"):
        arrays["scale"] = ("f64", n)
        values["scale"] = np.full(n, 0.002)
    elif dtype == "s8":
        arrays |= {"multiplier": ("i32", n), "shift": ("i32", n)}
        values |= {"multiplier": np.full(n, 1 << 30, np.int32), "shift": np.full(n, -8, np.int32)}
    fields |= {"act_min": -128, "act_max": 127} if dtype == "s8" else {"act_min": -np.inf, "act_max": np.inf}
    return Case(case.title, case.kernel, fields, arrays, case.operations, values)


def elementwise(kernel: str, dtypes: tuple[str, str], count: int, **fields: float) -> Case:
    """A kernel that maps an array to one as long."""
    arrays = {"input": (dtypes[0], count), "output": (dtypes[1], count)}
    return Case(f"{count} elements", kernel, {"count": count, **fields}, arrays, count)


def add(dtype: str, count: int) -> Case:
    fields: dict[str, float] = {"count": count, "a_count": count, "b_count": count}
    if dtype == "s8":
        fields |= {f"{name}multiplier": 1 << 30 for name in ("a_", "b_", "")}
        fields |= {"act_min": -128, "act_max": 127, "shift": -18}
    else:
        fields |= {"act_min": -np.inf, "act_max": np.inf}
    arrays = dict.fromkeys(("a", "b", "output"), (dtype, count))
    return Case(f"{count} elements", f"add_{dtype}", fields, arrays, 2 * count)


def pool(kernel: str, dtype: str, size: int, c: int, taps: int) -> Case:
    out = size // taps
    fields = {
        "batch": 1, "input_h": size, "input_w": size, "channels": c, "output_h": out, "output_w": out,
        "filter_h": taps, "filter_w": taps, "stride_h": taps, "stride_w": taps,
        "act_min": -128 if dtype == "s8" else -np.inf, "act_max": 127 if dtype == "s8" else np.inf,
    }  # fmt: skip
    arrays = {"input": (dtype, size * size * c), "output": (dtype, out * out * c)}
    return Case(f"{taps}x{taps} on {size}x{size}x{c}", f"{kernel}_{dtype}", fields, arrays, size * size * c)


def mean(dtype: str, reduced: int, inner: int) -> Case:
    fields = {"outer": 1, "reduced": reduced, "inner": inner}
    fields |= {"multiplier": 1 << 30, "shift": -5} if dtype == "s8" else {}
    arrays = {"input": (dtype, reduced * inner), "output": (dtype, inner)}
    return Case(f"{reduced} x {inner}", f"mean_{dtype}", fields, arrays, reduced * inner)


def softmax(dtype: str, rows: int, depth: int) -> Case:
    fields: dict[str, float] = {"rows": rows, "depth": depth}
    fields |= {"multiplier": 1 << 30, "shift": 24, "diff_min": -248} if dtype == "s8" else {"beta": 1.0}
    arrays = {"input": (dtype, rows * depth), "output": (dtype, rows * depth)}
    return Case(f"{rows} x {depth}", f"softmax_{dtype}", fields, arrays, rows * depth)


def spectrum(size: int, bands: int) -> Case:
    angle = 2 * np.pi * np.arange(size // 2) / size
    values = {
        "window": np.hanning(size).astype(np.float32),
        "twiddle": np.stack([np.cos(angle), -np.sin(angle)], 1).astype(np.float32).ravel(),
        "edges": np.linspace(0, size // 2 + 1, bands + 1).astype(np.uint32),
    }
    fields = {
        "frames": 1, "channels": 1, "frame_size": size, "bands": bands, "remove_mean": 1, "log": 1,
        "power_scale": 1.0, "floor": 1e-12,
    }  # fmt: skip
    arrays = {"input": ("f32", size), "window": ("f32", size), "twiddle": ("f32", size), "edges": ("u32", bands + 1)}
    return Case(f"{size} samples", "spectrum_f32", fields, arrays | {"output": ("f32", bands)}, size, values)


def cases() -> Iterator[Case]:
    """The table: layers of the models people run on such boards."""
    for dtype in ("s8", "f32"):
        yield conv("first layer 3x3/2, 96x96x3 -> 32", dtype, 96, 3, 32, 3, 2)
        yield conv("pointwise 24x24x64 -> 128", dtype, 24, 64, 128, 1, 1)
        yield conv("pointwise 7x7x320 -> 1280", dtype, 7, 320, 1280, 1, 1)
        yield conv("3x3, 28x28x64 -> 64", dtype, 28, 64, 64, 3, 1)
        yield conv("3x3, 48x48x64", dtype, 48, 64, 64, 3, 1, depthwise=True)
        yield conv("3x3/2, 24x24x128", dtype, 24, 128, 128, 3, 2, depthwise=True)
        yield dense("640 -> 128", dtype, 640, 128)
        yield dense("1280 -> 1000", dtype, 1280, 1000)
        yield dense("16 rows, 256 -> 256", dtype, 256, 256, batch=16)
        yield pool("average_pool", dtype, 28, 64, 7)
        yield pool("max_pool", dtype, 28, 64, 2)
        yield mean(dtype, 49, 1280)
        yield add(dtype, 56 * 56 * 24)
        yield softmax(dtype, 1, 1000)
    yield elementwise("quantize_f32_s8", ("f32", "s8"), 1 << 15, scale=0.02, act_min=-128, act_max=127)
    yield elementwise("dequantize_s8_f32", ("s8", "f32"), 1 << 15, scale=0.02)
    yield elementwise("requantize_s8", ("s8", "s8"), 1 << 15, multiplier=1 << 30, shift=1, act_min=-128, act_max=127)
    yield elementwise("clamp_f32", ("f32", "f32"), 1 << 15, act_min=0.0, act_max=6.0)
    yield spectrum(2048, 32)


class Buffer:
    """A case laid out in memory as a model module would: descriptors, then 64-aligned arrays."""

    def __init__(self, case: Case) -> None:
        self.kernel = abi.KERNELS[case.kernel]
        self.case = case
        offsets, top = {}, abi.KERNEL_RESERVE + 4096
        for name, (dtype, elements) in case.arrays.items():
            offsets[name] = top
            top = abi.round_up(top + elements * np.dtype(_AS_NUMPY[dtype]).itemsize, ALIGN)
        sizes = {"packed": abi.packed_bytes, "scratch": abi.scratch_bytes}
        fields = {**case.fields, **offsets}
        for name, size_of in sizes.items():
            size = size_of(self.kernel, {**fields, "node": 0})
            if f"{name}_bytes" in self.kernel.fields and size:
                fields |= {name: top, f"{name}_bytes": size}
                top = abi.round_up(top + size, ALIGN)
        size = abi.round_up(top, abi.WASM_PAGE_BYTES)
        raw = np.zeros(size + abi.WASM_PAGE_BYTES, np.uint8)
        start = -raw.ctypes.data % abi.WASM_PAGE_BYTES  # linear memory starts on a page
        self.memory = raw[start : start + size]
        self._fill(offsets)
        self.slices = self._write_descriptors(fields)

    def _fill(self, offsets: Mapping[str, int]) -> None:
        source = np.random.default_rng(7)
        for name, (dtype, elements) in self.case.arrays.items():
            kind = np.dtype(_AS_NUMPY[dtype])
            data = self.case.values.get(name)
            if data is None:
                data = source.standard_normal(elements) if kind.kind == "f" else source.integers(-128, 128, elements)
            self.memory[offsets[name] :][: elements * kind.itemsize].view(kind)[...] = data

    def _write_descriptors(self, fields: Mapping[str, float]) -> list[int]:
        rows = abi.rows(self.kernel, fields)
        step = max(1, abi.MAX_WORK // abi.row_work(self.kernel, fields))
        ranges = [(0, rows)] if rows <= step else [(at, min(at + step, rows)) for at in range(0, rows, step)]
        places = []
        for number, (begin, end) in enumerate(ranges):
            at = abi.KERNEL_RESERVE + number * abi.round_up(self.kernel.descriptor_bytes, 4)
            data = self.kernel.pack(**fields, begin=begin, end=end)
            self.memory[at : at + len(data)] = np.frombuffer(data, np.uint8)
            places.append(at)
        if places[-1] + self.kernel.descriptor_bytes > abi.KERNEL_RESERVE + 4096:
            raise ValueError(f"{self.case.kernel} {self.case.title}: too many slices")
        return places

    def runner(self, library: Library, isa: int) -> Callable[[], None]:
        """Return a function that runs the whole case on one instruction set."""
        lib, number = library.lib, self.kernel.number
        host = library.ffi.gc(lib.edge_host_open(isa, PACKED_LIMIT, 1), lib.edge_host_close)
        base, size, places = library.ffi.from_buffer(self.memory), self.memory.size, self.slices

        def complain(status: int) -> None:
            name = f"{self.case.kernel} {self.case.title} on {abi.ISAS[isa]}"
            raise RuntimeError(f"{name}: {abi.describe_status(status)}")

        if self.kernel.packed and (status := lib.edge_native_prepare(host, number, base, size, places[0])):
            complain(status)

        def run() -> None:
            for place in places:
                status = lib.edge_native_call(host, number, base, size, place)
                if status:
                    complain(status)

        return run


def measure(case: Case, library: Library, isas: list[int], seconds: float) -> dict[str, Samples]:
    """Let all instruction sets take turns on one case."""
    buffer = Buffer(case)
    return interleave({abi.ISAS[isa]: buffer.runner(library, isa) for isa in isas}, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of each kernel on each instruction set.")
    parser.add_argument("--kernel", default="", help="only kernels whose name holds this")
    parser.add_argument("--isa", default="", help="instruction sets, by comma (default: all of this CPU)")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each row of the table")
    parser.add_argument("--json", action="store_true", help="NDJSON, one object a row")
    args = parser.parse_args()
    library = native_status().library
    if library is None:
        print(f"no native library: {native_status().reason}", file=sys.stderr)
        return 13
    wanted = [name for name in args.isa.split(",") if name]
    isas = [n for n, name in abi.ISAS.items() if library.lib.edge_isa_usable(n) and (not wanted or name in wanted)]
    names = [abi.ISAS[isa] for isa in isas]
    if not args.json:
        print(f"{'kernel':<22}{'shape':<34}" + "".join(f"{name:>14}" for name in names) + "   GOP/s")
    for case in cases():
        if args.kernel not in case.kernel:
            continue
        results = measure(case, library, isas, args.seconds)
        speeds = {name: round(case.operations / results[name].median_ns, 3) for name in names}
        row: dict[str, Any] = {
            "kernel": case.kernel,
            "shape": case.title,
            "operations": case.operations,
            "gops": speeds,
        }
        if args.json:
            print(json.dumps(row), flush=True)
        else:
            cells = "".join(f"{speeds[name]:>14.2f}" for name in names)
            print(f"{case.kernel:<22}{case.title:<34}{cells}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

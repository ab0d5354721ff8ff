"""The cases of the kernel suite: for each kernel, shapes one less than, equal to and one more than the tiles, and every
kind of scale, with the answers of `kernel_oracle`. Seeded: the same in every run.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.contract import (
    kernel_cases_convert,
    kernel_cases_copy,
    kernel_cases_detection,
    kernel_cases_dynamic,
    kernel_cases_map,
    kernel_cases_movement,
    kernel_cases_normalization,
    kernel_cases_products,
    kernel_cases_recurrent,
)
from tests.contract import kernel_oracle as oracle
from tests.contract.kernel_case import NUMBERS_F32, Case, Rng, floats, int8s, numbers_s8, scales

#: Channels around the tiles of every variant (4, 8, 16, 32 lanes).
CHANNELS = (1, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 65)
#: Elements around the vectors of the plain kernels.
COUNTS = (1, 7, 8, 15, 16, 17, 31, 33, 64, 255, 256, 300)


#: Half of the cases have none, as all models but the uint8 ones.
FILTER_ZERO_POINTS = (0, 0, 0, 0, -128, -7, 3, 127)


def geometry(rng: Rng, shape: str, h: int, w: int) -> dict[str, int]:
    """Window sizes, strides and paddings named by `shape`, and the output's height and width."""
    filter_h, filter_w, stride, dilation, pad = {
        "1x1": (1, 1, 1, 1, False),
        "3x3": (3, 3, 1, 1, True),
        "3x3/2": (3, 3, 2, 1, True),
        "3x3 valid": (3, 3, 1, 1, False),
        "2x3 dilated": (2, 3, 1, 2, True),
        "5x4/2": (5, 4, 2, 1, True),
        "7x1": (7, 1, 1, 1, True),
    }[shape]
    extents = [(filter_h - 1) * dilation + 1, (filter_w - 1) * dilation + 1]
    sizes, pads = [], []
    for size, extent in zip((h, w), extents, strict=True):
        sizes.append(-(-size // stride) if pad else (size - extent) // stride + 1)
        pads.append(max((sizes[-1] - 1) * stride + extent - size, 0) // 2 if pad else 0)
    return {
        "input_h": h, "input_w": w, "output_h": sizes[0], "output_w": sizes[1], "filter_h": filter_h,
        "filter_w": filter_w, "stride_h": stride, "stride_w": stride, "dilation_h": dilation, "dilation_w": dilation,
        "pad_top": pads[0], "pad_left": pads[1],
    }  # fmt: skip


SHAPES = ("1x1", "3x3", "3x3/2", "3x3 valid", "2x3 dilated", "5x4/2", "7x1")
KINDS = ("usual", "none", "left", "any")


def convolution(
    rng: Rng, kernel: str, channels: tuple[int, int], shape: str, kind: str, size: tuple[int, int] | None = None
) -> Case:
    """A case of conv2d or depthwise_conv2d, on an image of random size unless one is given."""
    is_float, depthwise = kernel.endswith("f32"), kernel.startswith("depthwise")
    input_c, output_c = channels
    size = size or (int(rng.integers(5, 9)), int(rng.integers(5, 9)))
    f: dict[str, Any] = {"batch": 2 if shape == "3x3/2" else 1, "input_c": input_c, "output_c": output_c}
    f |= geometry(rng, shape, *size)
    taps = (f["filter_h"], f["filter_w"])
    make = floats if is_float else int8s
    a = {
        "input": make(rng, f["batch"], *size, input_c),
        "filter": make(rng, *taps, output_c) if depthwise else make(rng, output_c, *taps, input_c),
    }
    if shape != "7x1":
        a["bias"] = floats(rng, output_c) if is_float else rng.integers(-9999, 9999, output_c).astype(np.int32)
    f |= NUMBERS_F32 if is_float else numbers_s8(rng)
    if not is_float:
        a |= scales(rng, output_c, kind)
        f["filter_zero_point"] = int(rng.choice(FILTER_ZERO_POINTS))
    expected = getattr(oracle, kernel)(a, f)
    return Case(kernel, f"{input_c}->{output_c} {shape} {kind}", a, expected, f, 1e-6 if is_float else 0.0)


def convolutions(rng: Rng, kernel: str) -> Iterator[Case]:
    depthwise = kernel.startswith("depthwise")
    for index, channels in enumerate(CHANNELS):
        input_c = channels if depthwise else int(rng.choice([1, 2, 3, 4, 7, 8, 15, 16, 17, 33]))
        for turn in range(3):
            shape, kind = SHAPES[(index + 3 * turn) % len(SHAPES)], KINDS[(index + turn) % len(KINDS)]
            yield convolution(rng, kernel, (input_c, channels), shape, kind)
    for pair in ((1, 8), (3, 6), (4, 12)) if depthwise else ((8, 8), (3, 16), (64, 40)):
        yield convolution(rng, kernel, pair, "3x3", "usual")
    if not depthwise:  # cut by columns
        for pair, shape in (((16, 33), "3x3"), ((3, 16), "5x4/2"), ((40, 70), "1x1")):
            case = convolution(rng, kernel, pair, shape, "usual")
            yield replace(case, fields={**case.fields, "by_columns": 1}, label=f"{case.label} by columns")
    # Lines long enough for every variant to go over them, and ends of lines for every tile.
    for width in (12, 24, 31, 32, 33, 48, 53):
        for shape in ("3x3", "3x3/2", "3x3 valid", "5x4/2", "7x1"):
            pair = (int(rng.choice([1, 3, 4, 8, 16])), int(rng.choice([5, 8, 16, 19])))
            pair = (pair[0], pair[0]) if depthwise else pair
            yield convolution(rng, kernel, pair, shape, "usual", (7, width))


def fully_connected(rng: Rng, kernel: str) -> Iterator[Case]:
    is_float = kernel.endswith("f32")
    make = floats if is_float else int8s
    for index, output_c in enumerate(CHANNELS):
        batch, input_c = (1, 2, 5, 9)[index % 4], (1, 4, 15, 16, 17, 63, 64, 65, 200)[index % 9]
        f: dict[str, Any] = {"batch": batch, "input_c": input_c, "output_c": output_c}
        f |= NUMBERS_F32 if is_float else numbers_s8(rng)
        a = {"input": make(rng, batch, input_c), "filter": make(rng, output_c, input_c)}
        if index % 3:
            a["bias"] = floats(rng, output_c) if is_float else rng.integers(-9999, 9999, output_c).astype(np.int32)
        if not is_float:
            # Powers of two make exact ties.
            f["filter_zero_point"] = int(rng.choice(FILTER_ZERO_POINTS))
            a["scale"] = np.exp2(rng.integers(-12, 1, output_c)) * (1.0 if index % 2 else rng.uniform(0.5, 1, output_c))
        tolerance = 1e-6 if is_float else 0.0
        yield Case(kernel, f"{batch}x{input_c}->{output_c}", a, getattr(oracle, kernel)(a, f), f, tolerance)


def pools(rng: Rng, kernel: str) -> Iterator[Case]:
    is_float = kernel.endswith("f32")
    for index, channels in enumerate((1, 7, 15, 16, 17, 63, 64, 65, 130)):
        size = (int(rng.integers(5, 9)), int(rng.integers(5, 9)))
        f: dict[str, Any] = {"batch": 1 + index % 2, "channels": channels}
        f |= geometry(rng, ("3x3", "3x3/2", "5x4/2", "3x3 valid", "7x1")[index % 5], *size)
        del f["dilation_h"], f["dilation_w"]
        numbers = numbers_s8(rng)
        f |= NUMBERS_F32 if is_float else {name: numbers[name] for name in ("act_min", "act_max")}
        x = (floats if is_float else int8s)(rng, f["batch"], *size, channels)
        if not is_float and index == 3:
            x |= -128  # negative sums
        if kernel.endswith("s16"):
            x = x.astype(np.int16) * np.int16(256) + int8s(rng, *x.shape)
            f |= {"act_min": 256 * f["act_min"], "act_max": 256 * f["act_max"] + 255}
        name = "max_pool" if kernel.startswith("max") else kernel
        expected = getattr(oracle, name)({"input": x}, f)
        tolerance = 1e-6 if kernel == "average_pool_f32" else 0.0
        yield Case(kernel, f"{channels} channels {size}", {"input": x}, expected, f, tolerance)


def means(rng: Rng, kernel: str) -> Iterator[Case]:
    for outer, reduced, inner in ((1, 1, 1), (3, 49, 1), (2, 7, 63), (1, 49, 64), (2, 64, 65), (1, 16, 200)):
        f: dict[str, Any] = {"outer": outer, "reduced": reduced, "inner": inner}
        if kernel == "mean_f32":
            x = floats(rng, outer, reduced, inner) + np.float32(1)
            yield Case(kernel, f"{(outer, reduced, inner)}", {"input": x}, oracle.mean_f32({"input": x}, f), f, 1e-6)
            continue
        for shift in (-62, -33, -9, -5, 0, 3):
            x = int8s(rng, outer, reduced, inner)
            zero_points = {"input_zero_point": int(rng.integers(-128, 128)), "output_zero_point": -7}
            g = {**f, **zero_points, "multiplier": int(rng.integers(0, 2**31)), "shift": shift}
            yield Case(
                kernel, f"{(outer, reduced, inner)} >> {-shift}", {"input": x}, oracle.mean_s8({"input": x}, g), g
            )


def adds(rng: Rng, kernel: str) -> Iterator[Case]:
    is_float = kernel.endswith("f32")
    for index, count in enumerate(COUNTS):
        f: dict[str, Any] = {"count": count, "a_count": count, "b_count": count}
        if count % 3 == 0:
            f["b_count"] = count // 3
        if count == 300:
            f["a_count"], f["b_count"] = 300, 1
        make = floats if is_float else int8s
        a = {"a": make(rng, f["a_count"]), "b": make(rng, f["b_count"])}
        if is_float:
            f |= NUMBERS_F32
        else:
            low, high = ((-128, 127), (-20, 100))[index % 2]
            f |= {"a_zero_point": -128, "b_zero_point": 17, "output_zero_point": 5, "act_min": low, "act_max": high}
            f |= {name: int(rng.integers(2**30, 2**31)) for name in ("a_multiplier", "b_multiplier", "multiplier")}
            f |= {"a_shift": -int(rng.integers(0, 4)), "b_shift": (0, -31, -1)[index % 3]}
            f["shift"] = (-18, -19, -20, 0, 2, -31)[index % 6]
        expected = getattr(oracle, kernel)(a, f)
        places = tuple(name for name in ("a", "b") if f[f"{name}_count"] == count)
        yield Case(kernel, f"{f['a_count']}+{f['b_count']}", a, expected, f, 0.0, places)
    if not is_float:
        yield from every_pair(rng, kernel)


def every_pair(rng: Rng, kernel: str) -> Iterator[Case]:
    """All operands of add_s8: scales of trained models, ties at every other sum, steps above and below the output's."""
    a, b = (x.astype(np.int8).reshape(-1) for x in np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)))
    tie = 2**30
    for a_multiplier, b_multiplier, multiplier, a_shift, shift in (
        (*(int(x) for x in rng.integers(2**30, 2**31, 3)), 0, -19),
        (*(int(x) for x in rng.integers(2**30, 2**31, 3)), -3, -18),
        (tie, tie, tie, 0, -18),
        (tie, tie, tie, -1, -17),
        (tie + 1, tie - 1, tie, 0, -18),
        (2**31 - 1, 2**31 - 1, 2**31 - 1, 0, -8),
        (2**31 - 1, 2**31 - 1, 2**31 - 1, 0, -14),
        (2**31 - 1, 0, 2**31 - 1, 0, -31),
    ):
        f = {"count": a.size, "a_count": a.size, "b_count": a.size, "act_min": -128, "act_max": 127}
        f |= {"a_zero_point": int(rng.integers(-128, 128)), "b_zero_point": int(rng.integers(-128, 128))}
        f |= {"a_multiplier": a_multiplier, "b_multiplier": b_multiplier, "multiplier": multiplier}
        f |= {"a_shift": a_shift, "b_shift": 0, "shift": shift, "output_zero_point": int(rng.integers(-128, 128))}
        inputs = {"a": a, "b": b}
        yield Case(kernel, f"every pair, {multiplier} >> {-shift}", inputs, oracle.add_s8(inputs, f), f)


def elementwise(rng: Rng, kernel: str) -> Iterator[Case]:
    for index, count in enumerate((*COUNTS, 5000)):
        f: dict[str, Any] = {"count": count, "input_zero_point": int(rng.integers(-128, 128))}
        f |= {"output_zero_point": int(rng.integers(-128, 128)), "input_xor": 0x80 * (index % 2)}
        f["output_xor"] = 0x80 * (index // 2 % 2)
        if kernel == "quantize_f32_s8":
            f |= {"scale": 0.25 if index % 2 else 0.0173, "act_min": -128, "act_max": 127 - index, "input_xor": 0}
            x = (rng.integers(-400, 400, count) / 2 * f["scale"]).astype(np.float32)
            x[::7] = rng.choice(np.array([np.nan, np.inf, -np.inf, 3e38, 1e-45], np.float32), len(x[::7]))
        elif kernel == "dequantize_s8_f32":
            f |= {"scale": 0.0173, "output_xor": 0}
            x = int8s(rng, count)
        elif kernel == "requantize_s8":
            f |= {"multiplier": int(rng.integers(2**30, 2**31)), "shift": (0, 1, -1, -3, 30, -31)[index % 6]}
            f |= {"act_min": -128 + index, "act_max": 127}
            x = int8s(rng, count)
        else:
            f = {"count": count, "act_min": 0.0, "act_max": (6.0, float("inf"))[index % 2]}
            x = floats(rng, count) * np.float32(5)
            x[::7] = np.nan
        expected = getattr(oracle, kernel)({"input": x}, f)
        place = ("input",) if expected.dtype == x.dtype else ()
        yield Case(kernel, f"{count}", {"input": x}, expected, f, 0.0, place)


def softmaxes(rng: Rng, kernel: str) -> Iterator[Case]:
    for rows, depth in ((1, 1), (1, 2), (3, 12), (2, 100), (4, 257), (1, 5000)):
        f: dict[str, Any] = {"rows": rows, "depth": depth}
        label = f"{rows}x{depth}"
        if kernel == "softmax_f32":
            f["beta"] = 0.5
            x = floats(rng, rows, depth) * np.float32(30)
            yield Case(kernel, label, {"input": x}, oracle.softmax_f32({"input": x}, f), f, 1e-6, ("input",))
            continue
        for scale in (0.005, 0.08, 1.1):
            mantissa, exponent = np.frexp(min(scale * 2**26, 2.0**31 - 1))
            g = {**f, "multiplier": round(float(mantissa) * 2**31), "shift": int(exponent)}
            g["diff_min"] = -int(np.floor(31 * 2**26 / 2**exponent))
            x = int8s(rng, rows, depth)
            yield Case(kernel, f"{label} {scale}", {"input": x}, oracle.softmax_s8({"input": x}, g), g, 0.0, ("input",))


def spectra(rng: Rng, kernel: str) -> Iterator[Case]:
    for index, size in enumerate((16, 32, 64, 512, 1024, 2048)):
        frames, channels = 1 + index % 2, (1, 3)[index % 2]
        bands = (1, 8, size // 2 + 1)[index % 3]
        edges = np.sort(rng.choice(size // 2 + 2, bands + 1, replace=False)).astype(np.uint32)
        angle = 2 * np.pi * np.arange(size // 2) / size
        a = {
            "input": floats(rng, frames, size, channels) + np.float32(3),
            "window": np.hanning(size + 1)[:-1].astype(np.float32),
            "twiddle": np.stack([np.cos(angle), -np.sin(angle)], axis=1).astype(np.float32),
            "edges": edges,
        }
        f = {"frames": frames, "channels": channels, "frame_size": size, "bands": bands, "log": index % 2}
        f |= {"remove_mean": int(index != 2), "power_scale": 1.0 / size, "floor": 1e-3}
        expected = oracle.spectrum_f32(a, f).astype(np.float32)
        yield Case(kernel, f"{size}x{channels} {bands} bands", a, expected, f, 5e-6)


FAMILIES: dict[str, Callable[[Rng, str], Iterator[Case]]] = {
    "add": adds,
    "boxes": kernel_cases_detection.boxes,
    "cell": kernel_cases_recurrent.cells,
    "conv16": kernel_cases_products.convolutions,
    "conv2d": convolutions,
    "convert": kernel_cases_convert.conversions,
    "copy": kernel_cases_copy.cases,
    "gather": kernel_cases_movement.gathers,
    "depthwise_conv2d": convolutions,
    "detections": kernel_cases_detection.detections,
    "dynamic": kernel_cases_dynamic.dynamic,
    "elementwise": elementwise,
    "fully_connected": fully_connected,
    "hybrid": kernel_cases_dynamic.hybrids,
    "lookup": kernel_cases_map.lookups,
    "gates": kernel_cases_recurrent.gates,
    "map": kernel_cases_map.maps,
    "matmul": kernel_cases_products.products,
    "mean": means,
    "nms": kernel_cases_detection.suppressions,
    "normalization": kernel_cases_normalization.normalizations,
    "pool": pools,
    "reduce": kernel_cases_movement.reductions,
    "resize": kernel_cases_movement.resizes,
    "select": kernel_cases_convert.selections,
    "softmax": softmaxes,
    "spectrum": spectra,
    "svdf": kernel_cases_recurrent.svdfs,
    "top_k": kernel_cases_products.greatest,
}


def cases(kernel: str, family: str) -> list[Case]:
    """Return the cases of a kernel."""
    rng = np.random.default_rng(zlib.crc32(kernel.encode()))
    return list(FAMILIES[family](rng, kernel))

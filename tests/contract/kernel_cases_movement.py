"""Cases of `gather`, `reduce` and `resize_bilinear`, with what numpy says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.contract.kernel_case import Array, Case, Rng
from tests.contract.kernel_oracle import mbqm, wrap32

INTEGERS = {"int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64}


def _numbers(rng: Rng, shape: tuple[int, ...], dtype: Any) -> Array:
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def gathers(rng: Rng, kernel: str) -> Iterator[Case]:
    """(batch, outer, limits, inner, count)."""
    shapes = (
        (1, 1, (7,), 33, 300),
        (1, 5, (7,), 3, 4),
        (3, 2, (4,), 1, 17),
        (1, 1, (2, 3, 4), 5, 9),
        (1, 1, (1, 2, 1, 2, 3, 1, 2, 2), 16, 31),
        (2, 3, (3, 3), 8, 7),
    )
    for number, (batch, outer, limits, inner, count) in enumerate(shapes):
        for name, dtype in INTEGERS.items():
            index = (np.int32, np.int64)[number % 2]
            x = _numbers(rng, (batch, outer, *limits, inner), dtype)
            indices = np.stack([rng.integers(0, limit, (batch, count)) for limit in limits], axis=-1).astype(index)
            output = np.stack([x[b][(slice(None), *indices[b].T)] for b in range(batch)])
            fields: dict[str, Any] = {"element": x.itemsize, "index_bytes": indices.itemsize, "batch": batch}
            fields |= {"outer": outer, "count": count, "depth": len(limits), "inner": inner}
            fields |= {f"limit_{k}": limits[k] if k < len(limits) else 1 for k in range(8)}
            yield Case(kernel, f"{name} {limits}", {"input": x, "indices": indices}, output, fields)


#: Of the kernel's reductions: (name, number).
REDUCTIONS = {"sum": 0, "prod": 1, "max": 2, "min": 3, "any": 4, "all": 5, "mean": 6, "argmax": 7, "argmin": 8}
TYPES: dict[str, Any] = {"int8": 0, "int16": 1, "int32": 2, "int64": 3, "float32": 4, "bool": 5}
SHAPES = ((513, 4, 1), (1, 1, 1), (3, 5, 2), (2, 1, 33), (1, 100, 65), (7, 9, 31))


def reductions(rng: Rng, kernel: str) -> Iterator[Case]:
    for operation, number in REDUCTIONS.items():
        for name, type_number in TYPES.items():
            if (operation in ("any", "all")) == (name == "bool"):
                for shape in SHAPES:
                    yield _reduction(rng, kernel, (operation, number), (name, type_number), shape)


def _reduction(
    rng: Rng, kernel: str, operation: tuple[str, int], dtype: tuple[str, int], shape: tuple[int, int, int]
) -> Case:
    how, name = operation[0], dtype[0]
    x = rng.integers(0, 2, shape).astype(np.uint8) if name == "bool" else _numbers(rng, shape, name)
    if how.startswith("arg"):
        x = (x % 5).astype(x.dtype) if name != "float32" else np.round(x)
    fields: dict[str, Any] = dict(zip(("outer", "reduced", "inner"), shape, strict=True))
    fields |= {"operation": operation[1], "type": dtype[1]}
    if how.startswith("arg"):
        index = (np.int32, np.int64)[shape[0] % 2]
        fields["index_bytes"] = np.dtype(index).itemsize
        output = getattr(np, how)(x, axis=1).astype(index)
    elif name in ("int8", "int16") and how in ("sum", "mean", "prod"):
        output = _scaled(rng, x, fields, how)
    elif how == "mean" and name != "float32":
        total = x.sum(axis=1, dtype=np.int64).astype(object)
        output = np.array([int(abs(n) // shape[1]) * (1 if n >= 0 else -1) for n in total.ravel()]).astype(name)
        output = output.reshape(shape[0], shape[2])
    else:
        wide = {"float32": np.float64}.get(name)
        output = getattr(np, how)(x, axis=1, **({"dtype": wide or x.dtype} if how in ("sum", "prod") else {}))
        output = output.astype(x.dtype)
    tolerance = 1e-5 if name == "float32" and how in ("sum", "prod", "mean") else 0.0
    return Case(kernel, f"{how} {name} {shape}", {"input": x}, output, fields, tolerance)


def _scaled(rng: Rng, x: Array, fields: dict[str, Any], how: str) -> Array:
    """Fill in the numbers of a quantised reduction and return its output."""
    info = np.iinfo(x.dtype)
    zeros = rng.integers(-128, 128, 2) if x.dtype == np.int8 else (0, 0)
    multiplier, shift = int(rng.integers(2**30, 2**31)), int(rng.integers(-9, 3))
    fields |= {"input_zero_point": int(zeros[0]), "output_zero_point": int(zeros[1])}
    fields |= {"multiplier": multiplier, "shift": shift}
    centred = x.astype(np.int64) - int(zeros[0])
    if how == "prod":
        factor = 0x7FFF if multiplier >= 0x7FFF0000 else (multiplier + 2**15) >> 16

        def scaled(value: Array) -> Array:
            return wrap32((value * factor + (1 << (14 - shift))) >> (15 - shift))

        total = centred[:, 0]
        for step in range(1, x.shape[1]):
            total = scaled(total * centred[:, step])
        result = scaled(total)
    else:
        result = mbqm(wrap32(centred.sum(1)), np.asarray(multiplier), np.asarray(shift))
    return np.clip(result + int(zeros[1]), info.min, info.max).astype(x.dtype)


#: (batch, input_h, input_w, output_h, output_w, channels).
IMAGES = ((1, 5, 7, 24, 30, 1), (2, 3, 3, 6, 6, 5), (1, 8, 6, 4, 3, 17), (1, 1, 1, 5, 4, 3), (3, 9, 4, 1, 1, 8))


def resizes(rng: Rng, kernel: str) -> Iterator[Case]:
    for number, (name, dtype) in enumerate({"s8": "int8", "s16": "int16", "f32": "float32", "u8": "int8"}.items()):
        for image in IMAGES:
            for corners, half in ((0, 0), (1, 0), (0, 1)):
                fields: dict[str, Any] = {"type": number, "align_corners": corners, "half_pixel_centers": half}
                names = ("batch", "input_h", "input_w", "output_h", "output_w", "channels")
                fields |= zip(names, image, strict=True)
                x = _numbers(rng, (image[0], image[1], image[2], image[5]), dtype)
                output = _resized(x, fields, name)
                label = f"{name} {image} {corners}{half}"
                yield Case(kernel, label, {"input": x}, output, fields, 1e-6 if name == "f32" else 0.0)


def _resized(x: Array, f: dict[str, Any], name: str) -> Array:
    whole = name in ("s8", "s16")
    axes = [_positions(f[f"input_{axis}"], f[f"output_{axis}"], f, whole) for axis in "hw"]
    (y0, y1, dy), (x0, x1, dx) = axes
    unit = 1024 if whole else np.float32(1)
    dy, dx = dy[:, None, None], dx[None, :, None]
    if name == "u8":
        seen: Array = x.astype(np.float32) + np.float32(128)
    else:
        seen = x.astype(np.int64) if whole else x
    total = (
        seen[:, y0][:, :, x0] * (unit - dy) * (unit - dx)
        + seen[:, y1][:, :, x0] * dy * (unit - dx)
        + seen[:, y0][:, :, x1] * (unit - dy) * dx
        + seen[:, y1][:, :, x1] * dy * dx
    )
    if whole:
        half = np.where(total > 0, 2**19, -(2**19))
        return (np.sign(total + half) * (np.abs(total + half) >> 20)).astype(x.dtype)
    if name == "u8":
        return (np.floor(np.clip(total + np.float32(0.5), 0, 255)).astype(np.int64) - 128).astype(np.int8)
    return total.astype(np.float32)


def _positions(size: int, target: int, f: dict[str, Any], whole: bool) -> tuple[Array, Array, Array]:
    """Return the two pixels and the weight of the second, for each pixel of the target."""
    corners = f["align_corners"] and target > 1
    over, under = (size - 1, target - 1) if corners else (size, target)
    at = np.arange(target)
    if whole:
        scale = (1024 * over + under // 2) // under
        position = at * scale + (scale // 2 - 512 if f["half_pixel_centers"] else 0)
        first = np.clip(np.trunc(position / 1024).astype(np.int64), 0, size - 1)
        second = np.clip(np.trunc((position + 1023) / 1024).astype(np.int64), 0, size - 1)
        return first, second, position - 1024 * first
    scale32 = np.float32(over) / np.float32(under)
    place = at.astype(np.float32) * scale32
    if f["half_pixel_centers"]:
        place = (at.astype(np.float32) + np.float32(0.5)) * scale32 - np.float32(0.5)
    first = np.clip(np.floor(place).astype(np.int64), 0, size - 1)
    second = np.clip(np.ceil(place).astype(np.int64), 0, size - 1)
    return first, second, place - first.astype(np.float32)

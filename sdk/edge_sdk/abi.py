"""The single page shared by what emits modules (compiler) and what runs them (runtime).

Kernel numbers, descriptor layouts, limits and reasons come from `kernels/**/*.def` through `abi.json`, which the build
writes; nothing is repeated here but the sizes of the packed and scratch regions, which a contract test holds against C.

    KERNELS["conv2d_s8"].pack(version=1, node=0, input=..., ...)  -> bytes of a descriptor
    describe_status(0x00010203)                                   -> "conv2d_s8: field `input`: ..."
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import prod
from typing import Any

_PAGE: dict[str, Any] = json.loads((files("edge_sdk") / "abi.json").read_text())

ABI_VERSION: int = _PAGE["constants"]["EDGE_ABI_VERSION"]
#: Bytes at the bottom of linear memory that belong to the kernels.
KERNEL_RESERVE: int = _PAGE["constants"]["EDGE_KERNEL_RESERVE"]
MAX_NODES: int = _PAGE["constants"]["EDGE_MAX_NODES"]
#: Most work of one kernel call, in units of about one int8 multiply-accumulate.
MAX_WORK: int = _PAGE["constants"]["EDGE_MAX_WORK"]
#: Work of a row or pixel apart from its arithmetic.
ROW_OVERHEAD: int = _PAGE["constants"]["EDGE_ROW_OVERHEAD"]
REGION_ALIGN: int = _PAGE["constants"]["EDGE_REGION_ALIGN"]
#: The import namespace of the kernels, and the custom section that holds the manifest.
NAMESPACE = "edge_kernels"
MANIFEST_SECTION = "edge.manifest"
#: ISA number -> name, as in `kernels/abi/isa.def`.
ISAS: dict[int, str] = {int(number): name for number, name in _PAGE["isas"].items()}
WASM_PAGE_BYTES = 65536
#: Nested loops of the kernel `copy`.
COPY_LOOPS = 8
#: Values whose range one row of dynamic_range_f32 finds: EDGE_DYNAMIC_BLOCK.
DYNAMIC_BLOCK = 4096


def round_up(value: int, step: int) -> int:
    """Return the smallest multiple of `step` that is not below `value`."""
    return -(-value // step) * step


@dataclass(frozen=True)
class Kernel:
    """One function of the namespace `edge_kernels`.

    Attributes:
        number: its number in the ABI.
        name: its import name; `prepare_<name>` exists when `packed`.
        family: the folder of `kernels/` and the layout of the descriptor.
        fields: field name -> type, `u32`, `i32`, `f32` or `num` (an int or a float, by the kernel), in memory order.
        packed: whether weights are repacked once, before the first call.
    """

    number: int
    name: str
    family: str
    fields: Mapping[str, str]
    packed: bool

    @property
    def descriptor_bytes(self) -> int:
        return 4 * len(self.fields)

    @property
    def is_float(self) -> bool:
        return self.name.endswith("_f32") and self.name != "dequantize_s8_f32"

    def pack(self, **values: float) -> bytes:
        """Return the descriptor's bytes. Fields left out are 0; `version` is filled in.

        Raises:
            KeyError: a name that is no field.
            struct.error: a value that does not fit its field.
        """
        values.setdefault("version", ABI_VERSION)
        unknown = values.keys() - self.fields.keys()
        if unknown:
            raise KeyError(f"{self.name} has no field {sorted(unknown)}")
        return b"".join(self._word(kind, values.get(name, 0)) for name, kind in self.fields.items())

    def unpack(self, data: bytes) -> dict[str, float]:
        """Return field -> value of a descriptor's bytes."""
        return {
            name: struct.unpack_from(self._code(kind), data, 4 * index)[0]
            for index, (name, kind) in enumerate(self.fields.items())
        }

    def _code(self, kind: str) -> str:
        return {"u32": "<I", "i32": "<i", "f32": "<f", "num": "<f" if self.is_float else "<i"}[kind]

    def _word(self, kind: str, value: float) -> bytes:
        code = self._code(kind)
        return struct.pack(code, value if code == "<f" else int(value))


KERNELS: dict[str, Kernel] = {
    row["name"]: Kernel(
        row["id"],
        row["name"],
        row["family"],
        {name: kind for kind, name, _ in _PAGE["families"][row["family"]]},
        row["packed"],
    )
    for row in _PAGE["kernels"]
}


def packed_bytes(kernel: Kernel, fields: Mapping[str, float]) -> int:
    """Return the bytes of the packed region that suffice for every sandbox ISA; 0 for plain kernels."""
    if not kernel.packed:
        return 0
    f = {name: int(value) for name, value in fields.items() if name not in ("act_min", "act_max")}
    if kernel.family == "depthwise_conv2d":
        taps, channels = f["filter_h"] * f["filter_w"], round_up(f["output_c"], 16)
        return channels * ((taps + 4) * 4 if kernel.is_float else round_up(taps, 2) * 2 + 32)
    k = f.get("filter_h", 1) * round_up(f.get("filter_w", 1) * f["input_c"], 16)
    return round_up(f["output_c"], 16) * ((k + 4) * 4 if kernel.is_float else k + 48)


def scratch_bytes(kernel: Kernel, fields: Mapping[str, float]) -> int:
    """Return the bytes of the scratch region that suffice for every sandbox ISA; 0 where none is needed."""
    f = {name: int(value) for name, value in fields.items() if isinstance(value, int)}
    element = 4 if kernel.is_float else 1
    if kernel.family == "depthwise_conv2d":
        return (f["filter_h"] * f["filter_w"] * 8 + f["input_w"] * f["input_c"] * element) // 16 * 16 + 96
    if kernel.family in ("conv2d", "fully_connected"):
        k = round_up(f["input_c"] * f.get("filter_h", 1) * f.get("filter_w", 1), 16)
        panel = 8 * k * (4 if kernel.is_float else 2) + 64
        return max(panel, _lines_bytes(f, 4 if kernel.is_float else 2)) if kernel.family == "conv2d" else panel
    if kernel.family == "spectrum":
        return 12 * f["frame_size"] + 64
    return 0


def _lines_bytes(f: Mapping[str, int], element: int) -> int:
    """Return what kernels/conv2d/conv2d_lines.c keeps lines in; 0 where it cannot, or would need too much."""
    if f["filter_h"] * f["filter_w"] == 1 or f["filter_h"] > 16 or f["dilation_h"] != 1 or f["dilation_w"] != 1:
        return 0
    if f.get("filter_zero_point", 0) != 0:
        return 0
    pixels = max((f["output_w"] - 1) * f["stride_w"] + f["filter_w"], f["pad_left"] + f["input_w"])
    size = (f["filter_h"] + 1) * round_up((pixels * f["input_c"] + 16) * element, 64)
    return size if size <= 65536 else 0


def _dynamic_blocks(count: int) -> int:
    return -(-count // DYNAMIC_BLOCK)


def rows(kernel: Kernel, fields: Mapping[str, float]) -> int:
    """Return how many rows, in the sense of the family's .def, the whole descriptor has."""
    f = {name: int(value) for name, value in fields.items() if isinstance(value, int)}
    match kernel.family:
        case "cell":
            return f["batch"]
        case "conv2d":
            return f["output_c"] if f.get("by_columns") else f["batch"] * f["output_h"] * f["output_w"]
        case "copy":
            return prod(f[f"size_{loop}"] for loop in range(COPY_LOOPS))
        case "depthwise_conv2d" | "pool":
            return f["batch"] * f["output_h"]
        case "dynamic":
            by_pixel = kernel.name == "dynamic_scale_f32"
            return f["batch"] * (f["pixels"] if by_pixel else _dynamic_blocks(f["count"]))
        case "fully_connected":
            return f["output_c"]
        case "gather":
            return f["batch"] * f["outer"] * f["count"]
        case "mean":
            return f["outer"]
        case "reduce":
            return f["outer"] * f["inner"]
        case "resize":
            return f["batch"] * f["output_h"] * f["output_w"]
        case "detections":
            return f[{"class_max_f32": "count", "best_classes_f32": "steps", "merge_classes_f32": "slots"}[kernel.name]]
        case "nms":
            return f["classes"] * f["steps"]
        case "normalization" | "softmax" | "top_k":
            return f["rows"]
        case "spectrum":
            return f["frames"] * f["channels"]
        case "conv16":
            return f["batch"] * f["output_h"] * f["output_w"]
        case "matmul":
            return f["batch"] * f["m"]
        case "gates" | "hybrid" | "svdf":
            return f["units"]
        case _:
            return f["count"]


def row_work(kernel: Kernel, fields: Mapping[str, float]) -> int:
    """Return the work of one row, in the units of MAX_WORK."""
    f = {name: int(value) for name, value in fields.items() if isinstance(value, int)}
    match kernel.family:
        case "cell":
            return f["units"] * 512
        case "conv2d":
            across = f["batch"] * f["output_h"] * f["output_w"] if f.get("by_columns") else f["output_c"]
            return across * f["filter_h"] * f["filter_w"] * f["input_c"] + ROW_OVERHEAD
        case "depthwise_conv2d":
            return f["output_w"] * f["output_c"] * f["filter_h"] * f["filter_w"] * 4
        case "pool":
            return f["output_w"] * (f["channels"] * f["filter_h"] * f["filter_w"] * 4 + ROW_OVERHEAD)
        case "dynamic":
            values = f["channels"] if kernel.name == "dynamic_scale_f32" else min(f["count"], DYNAMIC_BLOCK)
            return values * 4 + 2 * _dynamic_blocks(f["count"]) + ROW_OVERHEAD
        case "fully_connected":
            return f["batch"] * f["input_c"]
        case "gates" | "hybrid":
            return f["batch"] * (f["input_c"] + f["recurrent_c"] + ROW_OVERHEAD)
        case "gather":
            return f["inner"] * f["element"] * 2 + f["depth"] * 16 + 64
        case "mean":
            return f["reduced"] * f["inner"] * 4 + ROW_OVERHEAD
        case "reduce":
            return f["reduced"] * 8 + 16
        case "resize":
            return f["channels"] * 16 + 64
        case "boxes":
            return 256
        case "detections":
            return f["classes"] * max(1, f["per_box"]) * 4 + f["per_slot"] * 16 + 64
        case "convert" | "select":
            return 64
        case "map":
            return 128
        case "nms":
            return f["count"] * 24 + 64
        case "normalization" if kernel.name == "local_response_normalization_f32":
            return f["depth"] * (f["radius"] + 32) * 2
        case "normalization" | "softmax":
            return f["depth"] * 64
        case "spectrum":
            return f["frame_size"] * 64
        case "conv16":
            depth = f["filter_h"] * f["filter_w"] * (f["input_c"] // f["groups"])
            return f["output_c"] * (depth + 8) + ROW_OVERHEAD
        case "matmul":
            return (f["k"] + 8) * f["n"] + ROW_OVERHEAD
        case "top_k":
            return f["depth"] * (f["k"] + 2) + ROW_OVERHEAD
        case "svdf":
            return f["batch"] * (f["rank"] * (f["input_c"] + 2 * f["memory"]) + ROW_OVERHEAD)
        case _:
            return 16


def describe_status(status: int) -> str:
    """Return "kernel: field `name`: why" for a non-zero status of a kernel."""
    number, field, reason = status >> 16, (status >> 8) & 0xFF, status & 0xFF
    text = _PAGE["reasons"].get(str(reason), ["", f"reason {reason}"])[1]
    for kernel in KERNELS.values():
        if kernel.number == number:
            names = list(kernel.fields)
            name = names[field] if field < len(names) else str(field)
            return f"{kernel.name}: field `{name}`: {text}"
    return f"status 0x{status & 0xFFFFFFFF:08x}: no kernel answers with it"

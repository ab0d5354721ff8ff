"""Every row of kernels.def, on every provider and instruction set of this machine, against `kernel_oracle`.

Integers must be the same bits everywhere; floats within the tolerance of their case.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from edge_sdk import abi
from edge_sdk.compiler.ops.strided_map import OPERATIONS
from edge_sdk.errors import SandboxError
from edge_sdk.runtime._wasmtime import wasmtime
from edge_sdk.runtime.kernel_call import KernelCaller
from edge_sdk.runtime.native import NativeUnavailableError, load_library
from edge_sdk.runtime.sandbox import kernels_wasm
from tests.contract.kernel_case import Case
from tests.contract.kernel_cases import cases
from tests.support import skip_loudly


def engines() -> list[tuple[str, str]]:
    """(provider, ISA) of what this machine runs. Relaxed SIMD is exact on aarch64 only."""
    found = [("sandbox", "wasm_simd128"), ("sandbox", "wasm_fma")]
    if platform.machine() == "aarch64":
        found.append(("sandbox", "wasm_relaxed"))
    try:
        library = load_library().lib
    except NativeUnavailableError:
        return found
    return found + [
        ("host", name)
        for number, name in abi.ISAS.items()
        if not name.startswith("wasm") and library.edge_isa_usable(number)
    ]


@pytest.fixture(scope="module", params=engines(), ids=lambda engine: engine[1])
def caller(request: pytest.FixtureRequest) -> Iterator[KernelCaller]:
    with KernelCaller(*request.param) as opened:
        yield opened


@cache
def cases_of(kernel: str) -> list[Case]:
    return cases(kernel, abi.KERNELS[kernel].family)


def test_native_kernels_are_among_those_tested() -> None:
    if all(provider != "host" for provider, _ in engines()):
        skip_loudly("the native library cannot be loaded: no host kernel was tested")
    assert ("host", "ref") in engines()


def stored(array: np.ndarray[Any, Any]) -> tuple[tuple[int, ...], str]:
    """Shape and dtype in memory of what the oracle expects."""
    return array.shape, "float32" if array.dtype.kind == "f" else array.dtype.name


def run(caller: KernelCaller, case: Case, **more: Any) -> np.ndarray[Any, Any]:
    return run_all(caller, case, **more)["output"]


def run_all(caller: KernelCaller, case: Case, **more: Any) -> dict[str, np.ndarray[Any, Any]]:
    outputs = {"output": stored(case.output)} | {name: stored(array) for name, array in case.others.items()}
    options = {"guard": True} | {name: more.pop(name) for name in ("offsets", "guard") if name in more}
    fields = {**case.fields, **more}
    return caller.call(case.kernel, inputs=case.inputs, outputs=outputs, **options, **fields)


def wrong(case: Case, got: np.ndarray[Any, Any], expected: np.ndarray[Any, Any] | None = None) -> str:
    """What differs, or an empty string."""
    expected = case.output if expected is None else expected
    if case.tolerance == 0:
        same = (got == expected.astype(got.dtype)) | ((got != got) & (expected != expected))
        return "" if same.all() else f"{case}: {(~same).sum()} of {same.size} differ, first at {np.argwhere(~same)[0]}"
    finite = np.isfinite(expected)
    if not np.array_equal(got[~finite], expected[~finite]):
        return f"{case}: what is infinite differs"
    error = np.abs(got[finite].astype(np.float64) - expected[finite]).max(initial=0) / max(
        np.abs(expected[finite]).max(initial=0), 1e-30
    )
    return "" if error <= case.tolerance else f"{case}: error {error:.2e} of the range"


@pytest.mark.parametrize("kernel", abi.KERNELS)
def test_kernel_equals_the_oracle_and_writes_only_its_output(caller: KernelCaller, kernel: str) -> None:
    found = []
    for case in cases_of(kernel):
        got = run_all(caller, case)
        found += [wrong(case, got[name], array) for name, array in {"output": case.output, **case.others}.items()]
    assert not any(found), [text for text in found if text]


@pytest.mark.parametrize("kernel", [name for name in abi.KERNELS if any(case.in_place for case in cases_of(name))])
def test_kernel_works_in_place(caller: KernelCaller, kernel: str) -> None:
    places = [(case, name) for case in cases_of(kernel) for name in case.in_place]
    found = [wrong(case, run(caller, case, offsets={"output": name}, guard=False)) for case, name in places]
    assert not any(found), [text for text in found if text]


def row_count(case: Case) -> int:
    return abi.rows(abi.KERNELS[case.kernel], case.fields)


def rows_of(case: Case, output: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The output with the kernel's rows first."""
    if abi.KERNELS[case.kernel].family in ("fully_connected", "gates", "hybrid", "svdf"):
        return output.T
    if case.fields.get("by_columns"):
        return output.reshape(-1, output.shape[-1]).T
    return output.reshape(row_count(case), -1)


@pytest.mark.parametrize("kernel", abi.KERNELS)
def test_a_slice_computes_its_rows_and_no_other(caller: KernelCaller, kernel: str) -> None:
    case = max(cases_of(kernel), key=row_count)
    count = row_count(case)
    begin, end = (1, count - 1) if count > 2 else (count - 1, count)
    # The memory is the caller's own and lies still: what the slice does not write stays.
    before = rows_of(case, run(caller, case, begin=0, end=1, guard=False))[:begin]
    got = rows_of(case, run(caller, case, begin=begin, end=end, guard=False))
    assert not wrong(case, got[begin:end], rows_of(case, case.output)[begin:end])
    if begin == 1:
        np.testing.assert_array_equal(got[:begin], before)


#: For each family, or kernel, fields with more rows than one call may do.
CELLS = {"batch": 3000, "units": 4, "output_stride": 4}
LARGE = {
    "add": {"count": 2**18 + 1, "a_count": 1, "b_count": 1},
    "best_classes_f32": {
        "count": 9,
        "columns": 16000,
        "classes": 16000,
        "steps": 99,
        "slots": 99,
        "per_box": 1,
        "per_slot": 1,
    },
    "boxes": {"count": 20000, "columns": 4, "y_scale": 1.0, "x_scale": 1.0, "h_scale": 1.0, "w_scale": 1.0},
    "class_max_f32": {"count": 99, "columns": 16000, "classes": 16000, "per_box": 0, "per_slot": 0},
    "conv2d": {"input_h": 64, "input_w": 64, "input_c": 64, "output_h": 64, "output_w": 64, "output_c": 32},
    "convert": {"count": 2**16 + 1, "from": 2, "to": 2},
    "copy": {"element": 1, "size_7": 2**18 + 1, **{f"size_{loop}": 1 for loop in range(7)}},
    "depthwise_conv2d": {"input_h": 64, "input_w": 64, "input_c": 64, "output_h": 64, "output_w": 64, "output_c": 64},
    "dynamic": {"batch": 70000, "count": 1},
    "dynamic_scale_f32": {"batch": 1, "count": 1, "pixels": 70000, "channels": 1},
    "elementwise": {"count": 2**18 + 1},
    "fully_connected": {"batch": 16, "input_c": 1024, "output_c": 300},
    "gates": {"input_c": 1, "recurrent_c": 0, "units": 70000, "input_stride": 1, "output_stride": 70000},
    "hybrid": {"input_c": 1, "recurrent_c": 0, "units": 70000, "input_stride": 1, "output_stride": 70000},
    "lookup": {"count": 2**18 + 1},
    "lstm_cell_f32": {**CELLS, "gate_count": 3},
    "lstm_cell_s8": {**CELLS, "gate_count": 3, "activation": 4, "cell_shift": -9},
    "merge_classes_f32": {
        "count": 9,
        "classes": 16000,
        "steps": 1,
        "slots": 99,
        "most": 9,
        "per_box": 0,
        "per_slot": 0,
    },
    "gather": {
        "element": 1,
        "index_bytes": 4,
        "batch": 1,
        "outer": 1,
        "count": 2**16 + 1,
        "depth": 1,
        "inner": 1,
        **{f"limit_{k}": 1 for k in range(8)},
    },
    "map": {"count": 2**15 + 1, "size5": 2**15 + 1, **{f"size{axis}": 1 for axis in range(5)}},
    "mean": {"outer": 300, "reduced": 64, "inner": 64},
    "nms": {
        "count": 1000,
        "columns": 1,
        "classes": 1,
        "steps": 300,
        "overlap_most": 0.5,
        "score_least": 0.5,
        "decay": 0.0,
    },
    "normalization": {"rows": 70, "depth": 1024, "radius": 0},
    "pool": {"input_h": 64, "input_w": 64, "channels": 64, "output_h": 64, "output_w": 64},
    "rnn_cell_f32": {**CELLS, "gate_count": 1},
    "reduce": {"outer": 2**18, "reduced": 1, "inner": 1, "operation": 2},
    "resize": {"batch": 1, "input_h": 8, "input_w": 8, "output_h": 300, "output_w": 200, "channels": 1},
    "select": {"element": 1, "count": 2**16 + 1, "size5": 2**16 + 1, **{f"size{axis}": 1 for axis in range(5)}},
    "softmax": {"rows": 70, "depth": 1024},
    "spectrum": {"frames": 40, "channels": 1, "frame_size": 2048, "bands": 1, "power_scale": 1.0, "floor": 1.0},
    "conv16": {
        "input_h": 400,
        "input_w": 400,
        "output_h": 400,
        "output_w": 400,
        "input_c": 1,
        "output_c": 1,
        "groups": 1,
    },
    "matmul": {"batch": 1, "m": 70000, "k": 1, "n": 1},
    "top_k": {"type": 0, "rows": 13000, "depth": 16, "k": 16},
    "svdf": {"batch": 1, "input_c": 1, "units": 70000, "rank": 1, "memory": 1},
}


#: Offsets that the kernels of detectors have -> bytes that are enough for LARGE.
DETECTION_REGIONS = {
    "input": 2**19, "anchors": 2**19, "boxes": 2**14, "scores": 7 * 2**20, "live": 2**12, "selected": 2**16,
    "found": 2**16, "candidates": 4, "heads": 2**16, "output_classes": 2**10, "output_scores": 2**11, "output_count": 4,
}  # fmt: skip


#: Those that recurrent layers have.
RECURRENT_REGIONS = {
    "gates_s8": ("input", "input_weights"),
    "gates_f32": ("input", "input_weights"),
    "hybrid_f32": ("input", "ranges", "input_weights", "factors"),
    "project_s8": ("input", "input_weights"),
    "lstm_cell_s8": ("gates", "cell", "kept"),
    "lstm_cell_f32": ("gates", "cell", "kept"),
    "rnn_cell_f32": ("gates", "kept"),
}


def large(kernel: abi.Kernel) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs (all zero, but for what must not be) and fields of a call with too many rows."""
    f: dict[str, Any] = {**(LARGE.get(kernel.name) or LARGE[kernel.family])}
    size = 1 if kernel.family == "conv2d" else 3
    for name in ("filter_h", "filter_w"):
        f |= {name: size} if name in kernel.fields else {}
    f |= {name: 1 for name in ("batch", "stride_h", "stride_w", "dilation_h", "dilation_w")
          if name in kernel.fields and name not in f}  # fmt: skip
    if kernel.name in ("quantize_f32_s8", "dequantize_s8_f32"):
        f["scale"] = 1.0
    input_bytes = {"add": 4, "mean": 300 * 64 * 64 * 4, "spectrum": 40 * 2048 * 4}.get(kernel.family, 2**20 + 16)
    inputs = {"input": np.zeros(input_bytes, np.uint8)}
    zeros = {
        "filter": 2**20 * 2,
        "multiplier": 256,
        "shift": 256,
        "scale": 2400,
        "window": 8192,
        "twiddle": 8192,
        "table": 2**17,
        "time": 2**19,
        "state": 2**19,
    }
    if kernel.name == "softmax_s16":
        zeros |= {"exponentials": 1026, "reciprocals": 1026}
    inputs |= {name: np.zeros(count, np.uint8) for name, count in zeros.items() if name in kernel.fields}
    if kernel.is_float or not kernel.packed:  # numbers, not arrays
        for name in ("multiplier", "shift", "scale"):
            inputs.pop(name, None)
    if kernel.family in ("boxes", "detections", "nms"):
        regions = [name for name, kind in kernel.fields.items() if kind == "u32" and name in DETECTION_REGIONS]
        inputs = {name: np.zeros(DETECTION_REGIONS[name], np.uint8) for name in regions}
    if kernel.name in RECURRENT_REGIONS:
        inputs = {name: np.zeros(2**19, np.uint8) for name in RECURRENT_REGIONS[kernel.name]}
    if kernel.name in ("dynamic_round_f32", "dynamic_round_s8", "dynamic_scale_f32"):
        inputs["ranges"] = np.zeros(2**20, np.uint8)
    if kernel.name == "dynamic_scale_f32":
        inputs["factors"] = np.zeros(4, np.uint8)
    if kernel.family == "spectrum":
        inputs["edges"] = np.array([0, 1025], np.uint32)
    if kernel.family == "gather":
        inputs["indices"] = np.zeros(f["count"], np.int32)
    if kernel.family == "add":
        inputs = {"a": np.zeros(4, np.uint8), "b": np.zeros(4, np.uint8)}
    if kernel.name == "quantize_f32_s16":
        f |= {"from": 0, "to": 4, "scale": 1.0}
    if kernel.name == "dequantize_s16_f32":
        f |= {"from": 4, "to": 0, "scale": 1.0}
    if kernel.family == "select":
        inputs = {name: np.zeros(8, np.uint8) for name in ("condition", "a", "b")}
    if kernel.name.startswith("compare"):
        f["operation"] = OPERATIONS["equal"]
    if kernel.family == "matmul":
        inputs = {name: np.zeros(2**19, np.uint8) for name in ("x", "y")}
    if kernel.family == "top_k":
        inputs["values"] = np.zeros(2**20, np.uint8)
    if kernel.family == "conv16":
        inputs |= {"multiplier": np.zeros(4, np.uint8), "shift": np.zeros(4, np.uint8)}
        inputs.pop("scale", None)
    if kernel.family in ("add", "map"):
        inputs = {"a": np.zeros(8, np.uint8), "b": np.zeros(8, np.uint8)}
    return inputs, f


def refusal(caller: KernelCaller, name: str, inputs: dict[str, Any], fields: dict[str, Any], **more: Any) -> str:
    """The text of the refusal, or an empty string."""
    try:
        caller.call(name, inputs=inputs, outputs={"output": ((2**21,), "int8")}, **{**fields, **more})
    except SandboxError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kernel", abi.KERNELS.values(), ids=lambda kernel: kernel.name)
def test_rows_and_row_work_of_python_are_those_of_c(caller: KernelCaller, kernel: abi.Kernel) -> None:
    inputs, fields = large(kernel)
    count, work = abi.rows(kernel, fields), abi.row_work(kernel, fields)
    most = abi.MAX_WORK // work
    assert most < count, "the case must have more rows than one call may do"
    assert refusal(caller, kernel.name, inputs, fields, begin=0, end=most) == ""
    assert "field `end`: more work than one call may do" in refusal(
        caller, kernel.name, inputs, fields, begin=0, end=most + 1
    )
    assert refusal(caller, kernel.name, inputs, fields, begin=count - 1, end=count) == ""
    assert "field `end`: the value is out of range" in refusal(
        caller, kernel.name, inputs, fields, begin=count - 1, end=count + 1
    )


@pytest.mark.parametrize("kernel", [k for k in abi.KERNELS.values() if {"packed", "scratch"} & k.fields.keys()],
                         ids=lambda kernel: kernel.name)  # fmt: skip
def test_region_sizes_of_python_are_the_least_that_c_takes(caller: KernelCaller, kernel: abi.Kernel) -> None:
    for case in cases_of(kernel.name):
        sizes = {"packed_bytes": abi.packed_bytes, "scratch_bytes": abi.scratch_bytes}
        for name, size in sizes.items():
            if name in kernel.fields:
                with pytest.raises(SandboxError, match=f"field `{name}`: the value is out of range"):
                    run(caller, case, **{name: size(kernel, case.fields) - 1})


#: A case's fields changed -> the field that must be named.
MISFITS: list[tuple[str, dict[str, Any], str]] = [
    ("depthwise_conv2d_s8", {"version": 2}, "version"),
    ("depthwise_conv2d_s8", {"node": abi.MAX_NODES}, "node"),
    ("depthwise_conv2d_s8", {"stride_w": 0}, "stride_w"),
    ("depthwise_conv2d_s8", {"batch": 2**32 - 1}, "input"),
    ("depthwise_conv2d_s8", {"output_h": 2**31}, "output_h"),
    ("depthwise_conv2d_s8", {"pad_top": 2**31}, "pad_top"),
    ("depthwise_conv2d_s8", {"output_c": 0}, "output_c"),
    ("depthwise_conv2d_s8", {"input_zero_point": 128}, "input_zero_point"),
    ("depthwise_conv2d_s8", {"act_min": 3, "act_max": 2}, "act_min"),
    ("depthwise_conv2d_s8", {"shift": 3}, "shift"),
    ("depthwise_conv2d_s8", {"input": 64}, "input"),
    ("depthwise_conv2d_s8", {"output": 2**32 - 4}, "output"),
    ("depthwise_conv2d_f32", {"act_max": float("nan")}, "act_min"),
    ("decode_boxes_f32", {"columns": 3}, "columns"),
    ("decode_boxes_f32", {"w_scale": 0.0}, "w_scale"),
    ("nms_f32", {"count": 131073}, "count"),
    ("nms_f32", {"classes": 3}, "classes"),
    ("nms_f32", {"steps": 2**32 - 1}, "output"),
    ("nms_f32", {"score_least": float("-inf")}, "score_least"),
    ("nms_f32", {"decay": 0.5}, "decay"),
    ("class_max_f32", {"classes": 7}, "classes"),
    ("class_max_f32", {"steps": 1}, "steps"),
    ("best_classes_f32", {"per_box": 6}, "per_box"),
    ("best_classes_f32", {"slots": 65536}, "slots"),
    ("merge_classes_f32", {"most": 100}, "most"),
    ("merge_classes_f32", {"classes": 65537}, "classes"),
    ("softmax_s8_s16", {"depth": 32769}, "depth"),
    ("softmax_s16", {"shift": -32}, "shift"),
    ("log_softmax_s8", {"diff_min": -(2**31)}, "diff_min"),
    ("log_softmax_f32", {"multiplier": 1}, "multiplier"),
    ("l2_normalization_s8", {"shift": 5}, "shift"),
    ("l2_normalization_f32", {"beta": 0.5}, "beta"),
    ("local_response_normalization_f32", {"alpha": float("nan")}, "alpha"),
    ("max_pool_s8", {"pad_left": 3, "filter_w": 3}, "pad_left"),
    ("max_pool_f32", {"output_w": 1000}, "output_w"),
    ("mean_s8", {"reduced": 2**23 + 1}, "reduced"),
    ("mean_f32", {"outer": 2**32 - 1, "inner": 2**32 - 1}, "input"),
    ("add_s8", {"a_count": 0}, "a_count"),
    ("add_s8", {"a_shift": 1}, "a_shift"),
    ("add_f32", {"multiplier": 1}, "multiplier"),
    ("lookup_s8", {"count": 0}, "count"),
    ("lookup_s16", {"table": 2**20 + 1}, "table"),
    ("cast", {"to": 1}, "to"),
    ("cast", {"scale": 1.0}, "scale"),
    ("rescale", {"from": 3}, "from"),
    ("quantize_f32_s16", {"scale": float("inf")}, "scale"),
    ("select", {"element": 3}, "element"),
    ("select", {"b_stride0": 2**32 - 1, "size0": 2}, "count"),
    ("map_f32", {"operation": 44}, "operation"),
    ("map_f32", {"act_min": float("nan")}, "act_min"),
    ("map_s8", {"size5": 0}, "count"),
    ("map_s8", {"size0": 2**31, "size1": 2**31}, "count"),
    ("map_s16", {"a_stride5": 2}, "a_stride5"),
    ("map_s32", {"a_stride4": 2**32 - 1}, "a"),
    ("map_s64", {"shift": 31}, "shift"),
    ("compare_s8", {"b_zero_point": 128}, "b_zero_point"),
    ("compare_f32", {"operation": 0}, "operation"),
    ("softmax_s8", {"depth": 65537}, "depth"),
    ("softmax_f32", {"beta": float("inf")}, "beta"),
    ("quantize_f32_s8", {"scale": 0.0}, "scale"),
    ("dequantize_s8_f32", {"scale": float("nan")}, "scale"),
    ("requantize_s8", {"input_xor": 1}, "input_xor"),
    ("clamp_f32", {"act_min": 1.0, "act_max": 0.0}, "act_min"),
    ("copy", {"element": 3}, "element"),
    ("copy", {"size_3": 0}, "size_3"),
    ("copy", {f"size_{loop}": 2**16 for loop in range(8)}, "size_0"),
    ("copy", {"from_7": -(2**31), "size_7": 2}, "input_start"),
    ("copy", {"to_0": -1, "size_0": 2**10, "output_start": 2}, "output_start"),
    ("copy", {"from_7": 2**31 - 1, "size_7": 2**31}, "input"),
    ("copy", {"to_6": 2**31 - 1, "size_6": 2**31, "size_5": 1, "size_7": 1}, "output"),
    ("copy", {"input_start": 2**32 - 1}, "input"),
    ("gather", {"element": 3}, "element"),
    ("gather", {"depth": 9}, "depth"),
    ("gather", {"limit_7": 0}, "limit_7"),
    ("gather", {"outer": 2**31}, "input"),
    ("gather", {"count": 2**31}, "indices"),
    ("gather", {"limit_0": 1}, "indices"),
    ("reduce", {"operation": 9}, "operation"),
    ("reduce", {"type": 5}, "type"),
    ("reduce", {"index_bytes": 4}, "index_bytes"),
    ("reduce", {"reduced": 2**23 + 1}, "reduced"),
    ("reduce", {"outer": 2**31}, "input"),
    ("resize_bilinear", {"output_h": 65536}, "output_h"),
    ("resize_bilinear", {"type": 4}, "type"),
    ("resize_bilinear", {"align_corners": 1, "half_pixel_centers": 1}, "half_pixel_centers"),
    ("resize_bilinear", {"batch": 2**31}, "input"),
    ("spectrum_f32", {"frame_size": 48}, "frame_size"),
    ("spectrum_f32", {"power_scale": float("inf")}, "power_scale"),
]


@pytest.mark.parametrize(("kernel", "change", "field"), MISFITS, ids=lambda value: str(value))
def test_a_misfit_is_refused_by_the_name_of_its_field(
    caller: KernelCaller, kernel: str, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(SandboxError, match=f"{kernel}: field `{field}`:"):
        run(caller, cases_of(kernel)[2], begin=0, end=1, **change)


@pytest.mark.parametrize("wrong_index", [-1, 7, 2**31 - 1, -(2**31)])
def test_gather_looks_at_the_indices_of_its_rows_in_every_call(caller: KernelCaller, wrong_index: int) -> None:
    case = cases_of("gather")[0]
    indices = case.inputs["indices"].copy()
    indices.flat[-1] = wrong_index
    changed = Case(case.kernel, "indices", {**case.inputs, "indices": indices}, case.output, case.fields)
    count = row_count(case)
    run(caller, changed, begin=0, end=count - 1, guard=False)
    with pytest.raises(SandboxError, match="gather: field `indices`: the value is out of range"):
        run(caller, changed, begin=count - 1, end=count)


@pytest.mark.parametrize(("edges", "bands"), [([0, 4, 4], 2), ([0, 5, 4], 2), ([0, 10], 1), ([2**32 - 1, 0], 1)])
def test_spectrum_refuses_edges_that_do_not_rise_inside_the_spectrum(
    caller: KernelCaller, edges: list[int], bands: int
) -> None:
    case = cases_of("spectrum_f32")[0]  # 16 samples: 9 frequencies
    changed = Case(case.kernel, "edges", {**case.inputs, "edges": np.array(edges, np.uint32)}, case.output, case.fields)
    with pytest.raises(SandboxError, match="spectrum_f32: field `edges`: the value is out of range"):
        run(caller, changed, bands=bands)


def test_depthwise_refuses_a_multiplier_that_is_not_normal(caller: KernelCaller) -> None:
    case = cases_of("depthwise_conv2d_s8")[5]
    small = np.full_like(case.inputs["multiplier"], 2**30 - 1)
    changed = Case(case.kernel, "multiplier", {**case.inputs, "multiplier": small}, case.output, case.fields)
    with pytest.raises(SandboxError, match="field `multiplier`: the value is out of range"):
        run(caller, changed)


@pytest.mark.parametrize("kernel", ["add_s8", "max_pool_s8", "mean_f32", "requantize_s8", "softmax_f32"])
def test_an_output_that_half_covers_an_input_is_refused(caller: KernelCaller, kernel: str) -> None:
    case = next(case for case in cases_of(kernel) if case.output.nbytes > 64)
    first = next(iter(case.inputs))
    at = abi.KERNEL_RESERVE + 4096
    with pytest.raises(SandboxError, match=f"{kernel}: field `output`: the region written overlaps"):
        run(caller, case, offsets={first: at, "output": at + 4}, guard=False)


class BareKernels:
    """kernels.wasm over a memory whose every byte the test sees."""

    def __init__(self, binary: bytes) -> None:
        engine = wasmtime.Engine()
        self.store = wasmtime.Store(engine)
        self.memory = wasmtime.Memory(self.store, wasmtime.MemoryType(wasmtime.Limits(64, 64)))
        module = wasmtime.Module(engine, binary)
        self.exports: Any = wasmtime.Instance(self.store, module, [self.memory]).exports(self.store)

    def changed_outside(self, case: Case) -> list[str]:
        """Run a case between bytes 0xa5; return what changed but its output, states, packed and scratch regions."""
        kernel, end = abi.KERNELS[case.kernel], abi.KERNEL_RESERVE + 256
        at: dict[str, Any] = {}
        sizes = {name: array.nbytes for name, array in case.inputs.items()}
        written = {"output": case.output, **case.others}
        sizes |= {name: array.size * np.dtype(stored(array)[1]).itemsize for name, array in written.items()}
        for region, size in (("packed", abi.packed_bytes), ("scratch", abi.scratch_bytes)):
            if region in kernel.fields:
                sizes[region] = at[f"{region}_bytes"] = size(kernel, case.fields)
        for name, size in sizes.items():
            at[name] = abi.round_up(end + 64, 64)
            end = at[name] + size
        fields = {**case.fields, **at, "end": abi.rows(kernel, case.fields)}
        image = np.full(abi.round_up(end + 64, 64), 0xA5, np.uint8)
        for name, array in case.inputs.items():
            image[at[name] : at[name] + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        descriptor = np.frombuffer(kernel.pack(**fields), np.uint8)
        image[abi.KERNEL_RESERVE : abi.KERNEL_RESERVE + descriptor.size] = descriptor
        self.memory.write(self.store, image[abi.KERNEL_RESERVE :].tobytes(), abi.KERNEL_RESERVE)
        for name in ([f"prepare_{case.kernel}"] if kernel.packed else []) + [case.kernel]:
            assert self.exports[name](self.store, abi.KERNEL_RESERVE) == 0
        after = np.frombuffer(self.memory.read(self.store, abi.KERNEL_RESERVE, image.size), np.uint8)
        different = np.flatnonzero(after != image[abi.KERNEL_RESERVE :]) + abi.KERNEL_RESERVE
        for name in (*written, "packed", "scratch", *case.written):
            if name in sizes:
                different = different[(different < at[name]) | (different >= at[name] + sizes[name])]
        return [f"{case}: byte 0x{offset:x}" for offset in different[:3]]


def test_sandbox_kernels_write_their_output_and_their_regions_and_nothing_else() -> None:
    bare = BareKernels(kernels_wasm("kernels.wasm"))
    found = [text for kernel in abi.KERNELS for case in cases_of(kernel) for text in bare.changed_outside(case)]
    assert not found, found

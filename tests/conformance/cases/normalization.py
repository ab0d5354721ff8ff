"""Elements are set against the others of their row."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite


def _shape(case: Case) -> tuple[int, ...]:
    return (*(case.size(1, 4) for _ in range(case.size(0, 3))), case.choice((1, 2, 10, 300)))


def _softmax_steps(dtype: str) -> dict[str, list[float]]:
    """Return the only quantisation that the output may have."""
    if dtype == "float32":
        return {}
    scale, zero_point = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)}[dtype]
    return {"scales": [scale], "zero_points": [zero_point]}


def _softmax(case: Case) -> Added:
    shape = _shape(case)
    x = case.input("x", shape, **case.steps())
    y = case.tensor("y", shape, **_softmax_steps(case.dtype))
    return case.operator("SOFTMAX", [x], [y], **tflite.softmax_options(case.choice((1.0, 0.5, 2.5))))


def _softmax_wide(case: Case) -> Added:
    shape = _shape(case)
    x = case.input("x", shape, **case.steps())
    y = case.tensor("y", shape, "int16", scales=[1 / 65536], zero_points=[-32768])
    return case.operator("SOFTMAX", [x], [y], **tflite.softmax_options(case.choice((1.0, 0.5, 2.5))))


def _log_softmax(case: Case) -> Added:
    shape = _shape(case)
    x = case.input("x", shape, **case.steps())
    steps = {"scales": [1 / 16], "zero_points": [255 if case.dtype == "uint8" else 127]}
    y = case.tensor("y", shape, **({} if case.dtype == "float32" else steps))
    return case.operator("LOG_SOFTMAX", [x], [y])


def _l2_normalization(case: Case) -> Added:
    shape = _shape(case)
    x = case.input("x", shape, **case.steps())
    steps = {"scales": [1 / 128], "zero_points": [128 if case.dtype == "uint8" else 0]}
    y = case.tensor("y", shape, **({} if case.dtype == "float32" else steps))
    return case.operator("L2_NORMALIZATION", [x], [y], **tflite.options(schema.L2NormOptions))


def _local_response_normalization(case: Case) -> Added:
    shape = (1, case.size(1, 3), case.size(1, 3), case.choice((1, 5, 40)))
    x, y = case.input("x", shape), case.tensor("y", shape)
    numbers = {"BIAS": ("f", case.choice((1.0, 2.5))), "ALPHA": ("f", case.choice((1.0, 0.01)))}
    options = tflite.options(
        schema.LocalResponseNormalizationOptions,
        RADIUS=("i", case.size(0, 6)),
        BETA=("f", case.choice((0.5, 0.75, 1.0))),
        **numbers,
    )
    return case.operator("LOCAL_RESPONSE_NORMALIZATION", [x], [y], **options)


CASES = {
    "l2_normalization": Row(_l2_normalization, ("int8", "uint8", "float32")),
    "local_response_normalization": Row(_local_response_normalization, ("float32",)),
    "log_softmax": Row(_log_softmax, ("int8", "uint8", "float32")),
    "softmax": Row(_softmax, ("int8", "uint8", "int16", "float32")),
    "softmax wide": Row(_softmax_wide, ("int8", "uint8")),
}

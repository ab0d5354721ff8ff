"""Functions of one element that stand alone, not fused into the operator before them."""

from __future__ import annotations

from functools import partial
from typing import Any

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import EXACT, QUANTIZED, Added, Case, Row
from tests.conformance.cases.quantization import same_shape
from tests.unit.compiler import tflite_writer as tflite

BYTES = ("int8", "uint8")
#: Kernels of the oracle for operators that its reference ones lack.
BUILTIN = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
#: What int16 inputs reach at most, as a real number.
REACH = 16.0


def _unary(case: Case, operator: str, *, output: dict[str, Any] | None = None, **options: Any) -> Added:
    """Add an operator of one input; int16 inputs have powers of two and whatever else spans a few units."""
    shape = (case.size(1, 5), case.choice((1, 16, 301)))
    steps = case.steps()
    if case.dtype == "int16":
        scale = case.choice((2.0**-12, 2.0**-11, 2.0**-15, float(case.rng.uniform(2e-6, REACH / 32768))))
        steps = {"scales": [scale], "zero_points": [0]}
    x = case.input("x", shape, **steps)
    y = case.tensor("y", shape, **(case.steps() if output is None else output))
    return case.operator(operator, [x], [y], **options)


def _plain(operator: str) -> Any:
    return partial(_unary, operator=operator)


def _relu(case: Case) -> Added:
    return same_shape(case, "RELU", case.dtype, case.dtype)


def _relu6(case: Case) -> Added:
    return same_shape(case, "RELU6", case.dtype, case.dtype)


def _relu_n1_to_1(case: Case) -> Added:
    return same_shape(case, "RELU_N1_TO_1", case.dtype, case.dtype)


def _relu_0_to_1(case: Case) -> Added:
    return same_shape(case, "RELU_0_TO_1", case.dtype, case.dtype)


def _abs(case: Case) -> Added:
    """Equal scales are a way of their own."""
    steps = case.steps()
    same = steps if case.dtype not in QUANTIZED or case.size(0, 2) == 0 else case.steps(scale=steps["scales"][0] * 1.3)
    shape = (case.size(1, 5), case.choice((1, 16, 301)))
    return case.operator("ABS", [case.input("x", shape, **steps)], [case.tensor("y", shape, **same)])


def _exp(case: Case) -> Added:
    """Outputs that int32 can hold: beyond, the reference's conversion is not defined."""
    shape = (case.size(1, 5), case.choice((1, 16, 301)))
    steps = case.steps() if case.dtype == "float32" else {"scales": [case.scale(0.001, 0.05)], "zero_points": [0]}
    if case.dtype == "int8":
        steps["zero_points"] = [case.size(-128, 127)]
    if case.dtype == "int16":
        steps["scales"] = [case.scale(1e-5, 3e-4)]
    return case.operator("EXP", [case.input("x", shape, **steps)], [case.tensor("y", shape, **case.steps())])


def _gelu(case: Case) -> Added:
    approximate = ("?", bool(case.size(0, 1)))
    return _unary(case, "GELU", **tflite.options(schema.GeluOptions, APPROXIMATE=approximate))


def _hard_swish(case: Case) -> Added:
    """The reference refuses output scales below 1/128 of the input's."""
    shape = (case.size(1, 5), case.choice((1, 16, 301)))
    steps = case.steps()
    if steps:
        steps["scales"] = [case.choice((0.001, 6 / 255, 0.05, 0.5, 2.0)) * float(case.rng.uniform(0.5, 1))]
    after = case.steps(scale=steps["scales"][0] * float(case.rng.uniform(0.02, 2))) if steps else {}
    return case.operator("HARD_SWISH", [case.input("x", shape, **steps)], [case.tensor("y", shape, **after)])


def _leaky_relu(case: Case) -> Added:
    alpha = case.choice((0.01, 0.2, 0.3, 0.5, 1.5, -0.1, 0.0))
    return _unary(case, "LEAKY_RELU", **tflite.options(schema.LeakyReluOptions, ALPHA=("f", alpha)))


def _log(case: Case) -> Added:
    shape, steps = (case.size(1, 5), case.choice((1, 16, 301))), case.steps()
    low, high = (1e-3, 50.0) if case.dtype == "float32" else (None, None)
    x = case.input("x", shape, low=low, high=high, **steps)
    return case.operator("LOG", [x], [case.tensor("y", shape, **case.steps())])


def _logistic(case: Case) -> Added:
    output = {
        "float32": {},
        "int8": {"scales": [1 / 256], "zero_points": [case.choice((-128, 0, 7))]},
        "uint8": {"scales": [1 / 256], "zero_points": [case.choice((0, 128, 3))]},
        "int16": {"scales": [1 / 32768], "zero_points": [0]},
    }
    return _unary(case, "LOGISTIC", output=output[case.dtype])


def _tanh(case: Case) -> Added:
    return _unary(case, "TANH", output={"scales": [1 / 32768], "zero_points": [0]} if case.dtype == "int16" else None)


def _root(case: Case, operator: str) -> Added:
    """The reference gives up on negative numbers."""
    shape, steps = (case.size(1, 5), case.choice((1, 16, 301))), case.steps()
    low, high = (1e-3, 50.0) if case.dtype == "float32" else (0, 32767)
    if case.dtype == "int8":
        low, high = steps["zero_points"][0], 127
    x = case.input("x", shape, low=low, high=high, **steps)
    return case.operator(operator, [x], [case.tensor("y", shape, **case.steps())])


CASES = {
    "abs": Row(_abs, ("int8", "int16", "float32", "int32"), tolerance=EXACT),
    "ceil": Row(_plain("CEIL"), ("float32",), tolerance=EXACT, kernels=BUILTIN),
    "cos": Row(_plain("COS"), ("float32",)),
    "elu": Row(_plain("ELU"), ("int8", "float32"), kernels=BUILTIN),
    "exp": Row(_exp, ("int8", "int16", "float32")),
    "floor": Row(_plain("FLOOR"), ("float32",), tolerance=EXACT),
    "gelu": Row(_gelu, (*BYTES, "int16", "float32")),
    "hard_swish": Row(_hard_swish, (*BYTES, "float32")),
    "leaky_relu": Row(_leaky_relu, (*BYTES, "int16", "float32")),
    "log": Row(_log, ("int8", "int16", "float32")),
    "logistic": Row(_logistic, (*BYTES, "int16", "float32")),
    "neg": Row(_plain("NEG"), ("int8", "int16", "float32", "int32", "int64"), tolerance=EXACT),
    "relu": Row(_relu, (*BYTES, "int16", "float32"), tolerance=EXACT),
    "relu_0_to_1": Row(_relu_0_to_1, (*BYTES, "float32"), tolerance=EXACT),
    "relu6": Row(_relu6, (*BYTES, "int16", "float32"), tolerance=EXACT),
    "relu_n1_to_1": Row(_relu_n1_to_1, (*BYTES, "float32"), tolerance=EXACT),
    "round": Row(_plain("ROUND"), ("float32",), tolerance=EXACT, kernels=BUILTIN),
    "rsqrt": Row(partial(_root, operator="RSQRT"), ("int8", "int16", "float32")),
    "sign": Row(_plain("SIGN"), ("float32", "int32"), tolerance=EXACT),
    "sin": Row(_plain("SIN"), ("float32",)),
    "sqrt": Row(partial(_root, operator="SQRT"), ("int8", "int16", "float32")),
    "square": Row(_plain("SQUARE"), ("float32",)),
    "tanh": Row(_tanh, (*BYTES, "int16", "float32")),
}

"""Windows over an image without weights."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite


def window_outputs(pixels: int, size: int, stride: int, padding: int) -> int:
    """Return how many windows there are along one dimension."""
    return -(-pixels // stride) if padding == schema.PADDING_SAME else (pixels - size) // stride + 1


def _pool(case: Case, operator: str) -> Added:
    image = case.size(1, 11), case.size(1, 9)
    size = case.size(1, image[0]), case.size(1, image[1])
    stride = case.size(1, 3), case.size(1, 3)
    padding, steps = case.size(0, 1), case.steps()
    batch, channels = case.size(1, 2), case.choice((1, 16, 37))
    sizes = [window_outputs(*of) for of in zip(image, size, stride, (padding, padding), strict=True)]
    x = case.input("x", (batch, *image, channels), **steps)
    y = case.tensor("y", (batch, *sizes, channels), **steps)
    options = tflite.pool_options(size=size, stride=stride, padding=padding, activation=case.activation())
    return case.operator(operator, [x], [y], **options)


def _average_pool(case: Case) -> Added:
    return _pool(case, "AVERAGE_POOL_2D")


def _max_pool(case: Case) -> Added:
    return _pool(case, "MAX_POOL_2D")


CASES = {
    "average_pool": Row(_average_pool, ("int8", "uint8", "int16", "float32")),
    "max_pool": Row(_max_pool, ("int8", "uint8", "int16", "float32")),
}

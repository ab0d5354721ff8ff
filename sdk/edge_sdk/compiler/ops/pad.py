"""pad: a border of one value around a tensor, the zero point's where none is given; inputs x, optional value."""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.movement import Movement, filled, require_movable, scalar
from edge_sdk.compiler.ops.op import operands, per_tensor, require, require_shape, tensor
from edge_sdk.compiler.ops.view import Move, View


@dataclass(frozen=True)
class PadAttributes:
    """Elements before and after each dimension."""

    before: tuple[int, ...]
    after: tuple[int, ...]


class Pad(Movement):
    """The output is filled, then the input is laid into it."""

    def check(self, node: Node) -> None:
        attributes: PadAttributes = node.attributes
        _, value = operands(node, 1, 2)
        x = tensor(node)
        before, after = attributes.before, attributes.after
        require(len(before) == len(after) == len(x.shape), f"paddings of other rank than {list(x.shape)}")
        require(min((*before, *after), default=0) >= 0, "a negative padding")
        require_shape(node.output, padded_shape(x.shape, attributes))
        require_movable(x, node.output)
        if value is not None:
            require(value.elements == 1, f"a padding value of {value.elements} elements")
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: PadAttributes = node.attributes
        x, output = tensor(node), node.output
        inside = Move(x, View.dense(x.shape), output, inner_view(output.shape, x.shape, attributes.before))
        return [filled(node, output, padding_value(node)), inside] if x.shape != output.shape else [inside]


def padding_value(node: Node) -> Value:
    """Return the value that a pad fills with."""
    value = node.inputs[1] if len(node.inputs) > 1 else None
    if value is not None:
        return value
    is_step = node.output.quantization is not None and node.output.dtype in ("int8", "int16", "uint8")
    return scalar(f"{node.name} padding", node.output, per_tensor(node.output).zero_point if is_step else 0)


def padded_shape(shape: tuple[int, ...], attributes: PadAttributes) -> tuple[int, ...]:
    """Return the shape of a padded tensor."""
    return tuple(sum(sizes) for sizes in zip(shape, attributes.before, attributes.after, strict=True))


def inner_view(outer: tuple[int, ...], inner: tuple[int, ...], before: tuple[int, ...]) -> View:
    """Return the part of a tensor of shape `outer` that a tensor of shape `inner` takes."""
    view = View.dense(outer)
    for axis, (begin, size) in enumerate(zip(before, inner, strict=True)):
        view = view.cut(axis, begin, 1, size)
    return view

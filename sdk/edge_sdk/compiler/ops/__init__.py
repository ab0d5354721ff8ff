"""The ops a graph may hold: one file each, one row each. A row brings cases in tests/conformance/cases/."""

from __future__ import annotations

from functools import cache

from edge_sdk.compiler.graph import Node, Unknown
from edge_sdk.compiler.ops.op import Op
from edge_sdk.errors import ModelError
from edge_sdk.registry import Registry

OPS = Registry(
    "op",
    {
        "abs": "edge_sdk.compiler.ops.unary:Unary",
        "add": "edge_sdk.compiler.ops.add:Add",
        "add_n": "edge_sdk.compiler.ops.add_n:AddN",
        "arg_max": "edge_sdk.compiler.ops.arg:Arg",
        "arg_min": "edge_sdk.compiler.ops.arg:Arg",
        "assign": "edge_sdk.compiler.ops.assign:Assign",
        "atan2": "edge_sdk.compiler.ops.binary:Binary",
        "average_pool": "edge_sdk.compiler.ops.average_pool:AveragePool",
        "batch_matmul": "edge_sdk.compiler.ops.batch_matmul:BatchMatmul",
        "batch_to_space": "edge_sdk.compiler.ops.space_to_batch:BatchToSpace",
        "bidirectional_lstm": "edge_sdk.compiler.ops.bidirectional_lstm:BidirectionalLstm",
        "bidirectional_rnn": "edge_sdk.compiler.ops.rnn:BidirectionalRnn",
        "bitwise_xor": "edge_sdk.compiler.ops.binary:Binary",
        "broadcast": "edge_sdk.compiler.ops.broadcast:Broadcast",
        "cast": "edge_sdk.compiler.ops.cast:Cast",
        "ceil": "edge_sdk.compiler.ops.unary:Unary",
        "concat": "edge_sdk.compiler.ops.concat:Concat",
        "constant": "edge_sdk.compiler.ops.constant:Constant",
        "conv2d": "edge_sdk.compiler.ops.conv2d:Conv2D",
        "cos": "edge_sdk.compiler.ops.unary:Unary",
        "depthwise_conv2d": "edge_sdk.compiler.ops.depthwise_conv2d:DepthwiseConv2D",
        "dequantize": "edge_sdk.compiler.ops.dequantize:Dequantize",
        "detection_postprocess": "edge_sdk.compiler.ops.detection_postprocess:DetectionPostprocess",
        "div": "edge_sdk.compiler.ops.binary:Arithmetic",
        "elu": "edge_sdk.compiler.ops.unary:Unary",
        "equal": "edge_sdk.compiler.ops.compare:Compare",
        "exp": "edge_sdk.compiler.ops.unary:Unary",
        "floor": "edge_sdk.compiler.ops.unary:Unary",
        "floor_div": "edge_sdk.compiler.ops.binary:Binary",
        "floor_mod": "edge_sdk.compiler.ops.binary:Binary",
        "fully_connected": "edge_sdk.compiler.ops.fully_connected:FullyConnected",
        "gather": "edge_sdk.compiler.ops.gather:Gather",
        "gelu": "edge_sdk.compiler.ops.unary:Unary",
        "greater": "edge_sdk.compiler.ops.compare:Compare",
        "greater_equal": "edge_sdk.compiler.ops.compare:Compare",
        "hard_swish": "edge_sdk.compiler.ops.unary:Unary",
        "l2_normalization": "edge_sdk.compiler.ops.l2_normalization:L2Normalization",
        "leaky_relu": "edge_sdk.compiler.ops.unary:Unary",
        "less": "edge_sdk.compiler.ops.compare:Compare",
        "less_equal": "edge_sdk.compiler.ops.compare:Compare",
        "local_response_normalization": "edge_sdk.compiler.ops.local_response_normalization:LocalResponseNormalization",
        "log": "edge_sdk.compiler.ops.unary:Unary",
        "log_softmax": "edge_sdk.compiler.ops.log_softmax:LogSoftmax",
        "logical_and": "edge_sdk.compiler.ops.binary:Binary",
        "logical_not": "edge_sdk.compiler.ops.logical_not:LogicalNot",
        "logical_or": "edge_sdk.compiler.ops.binary:Binary",
        "logistic": "edge_sdk.compiler.ops.unary:Unary",
        "lstm": "edge_sdk.compiler.ops.lstm:Lstm",
        "max_pool": "edge_sdk.compiler.ops.max_pool:MaxPool",
        "maximum": "edge_sdk.compiler.ops.binary:Binary",
        "mean": "edge_sdk.compiler.ops.mean:Mean",
        "minimum": "edge_sdk.compiler.ops.binary:Binary",
        "mirror_pad": "edge_sdk.compiler.ops.mirror_pad:MirrorPad",
        "mul": "edge_sdk.compiler.ops.binary:Arithmetic",
        "neg": "edge_sdk.compiler.ops.unary:Unary",
        "non_max_suppression": "edge_sdk.compiler.ops.non_max_suppression:NonMaxSuppression",
        "not_equal": "edge_sdk.compiler.ops.compare:Compare",
        "one_hot": "edge_sdk.compiler.ops.one_hot:OneHot",
        "pad": "edge_sdk.compiler.ops.pad:Pad",
        "pow": "edge_sdk.compiler.ops.binary:Binary",
        "prelu": "edge_sdk.compiler.ops.prelu:Prelu",
        "quantize": "edge_sdk.compiler.ops.quantize:Quantize",
        "reduce_all": "edge_sdk.compiler.ops.reduce:Reduce",
        "reduce_any": "edge_sdk.compiler.ops.reduce:Reduce",
        "reduce_max": "edge_sdk.compiler.ops.reduce:Reduce",
        "reduce_min": "edge_sdk.compiler.ops.reduce:Reduce",
        "reduce_prod": "edge_sdk.compiler.ops.reduce:Reduce",
        "reduce_sum": "edge_sdk.compiler.ops.reduce:Reduce",
        "relu": "edge_sdk.compiler.ops.relu:Relu",
        "relu6": "edge_sdk.compiler.ops.relu:Relu",
        "relu_0_to_1": "edge_sdk.compiler.ops.relu:Relu",
        "relu_n1_to_1": "edge_sdk.compiler.ops.relu:Relu",
        "requantize": "edge_sdk.compiler.ops.requantize:Requantize",
        "reshape": "edge_sdk.compiler.ops.reshape:Reshape",
        "resize_bilinear": "edge_sdk.compiler.ops.resize:ResizeBilinear",
        "resize_nearest": "edge_sdk.compiler.ops.resize:ResizeNearest",
        "reverse_sequence": "edge_sdk.compiler.ops.reverse_sequence:ReverseSequence",
        "right_shift": "edge_sdk.compiler.ops.binary:Binary",
        "rnn": "edge_sdk.compiler.ops.rnn:Rnn",
        "round": "edge_sdk.compiler.ops.unary:Unary",
        "rsqrt": "edge_sdk.compiler.ops.unary:Unary",
        "select": "edge_sdk.compiler.ops.select:Select",
        "sign": "edge_sdk.compiler.ops.unary:Unary",
        "sin": "edge_sdk.compiler.ops.unary:Unary",
        "slice": "edge_sdk.compiler.ops.slice:Slice",
        "softmax": "edge_sdk.compiler.ops.softmax:Softmax",
        "space_to_batch": "edge_sdk.compiler.ops.space_to_batch:SpaceToBatch",
        "split": "edge_sdk.compiler.ops.split:Split",
        "sqrt": "edge_sdk.compiler.ops.unary:Unary",
        "square": "edge_sdk.compiler.ops.unary:Unary",
        "squared_difference": "edge_sdk.compiler.ops.binary:Binary",
        "sub": "edge_sdk.compiler.ops.binary:Arithmetic",
        "svdf": "edge_sdk.compiler.ops.svdf:Svdf",
        "tanh": "edge_sdk.compiler.ops.unary:Unary",
        "top_k": "edge_sdk.compiler.ops.top_k:TopK",
        "transpose": "edge_sdk.compiler.ops.transpose:Transpose",
        "transpose_conv": "edge_sdk.compiler.ops.transpose_conv:TransposeConv",
    },
)


@cache
def op_named(name: str) -> Op:
    """Return the op behind a row of OPS."""
    op: Op = OPS.load(name)()
    return op


def check_node(node: Node) -> None:
    """Raise ModelError, with the reason alone, where a node cannot be converted."""
    if isinstance(node.attributes, Unknown):
        raise ModelError(node.attributes.reason)
    op_named(node.op).check(node)


__all__ = ["OPS", "check_node", "op_named"]

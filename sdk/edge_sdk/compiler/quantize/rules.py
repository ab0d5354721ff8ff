"""Which operators have an int8 form, and what that form demands of its tensors. An op without a row stays in float.

Rule()                        any scale for each tensor
Rule(weights=AXIS)            input 1 holds constant weights with one scale per channel along AXIS, input 2 a bias
Rule(keeps=True)              steps are only moved or compared: input and output are quantised alike
Rule(output=(scale, zero))    the kernel's output has this quantisation
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One row; see the module."""

    weights: int | None = None
    keeps: bool = False
    output: tuple[float, int] | None = None


RULES: dict[str, Rule] = {
    "abs": Rule(),
    "add": Rule(),
    "average_pool": Rule(keeps=True),
    "batch_matmul": Rule(),
    "batch_to_space": Rule(keeps=True),
    "broadcast": Rule(keeps=True),
    "concat": Rule(keeps=True),
    "conv2d": Rule(weights=0),
    "depthwise_conv2d": Rule(weights=3),
    "elu": Rule(),
    "exp": Rule(),
    "fully_connected": Rule(weights=0),
    "gather": Rule(keeps=True),
    "gelu": Rule(),
    "hard_swish": Rule(),
    "l2_normalization": Rule(output=(1 / 128, 0)),
    "leaky_relu": Rule(),
    "log_softmax": Rule(output=(1 / 16, 127)),
    "logistic": Rule(output=(1 / 256, -128)),
    "max_pool": Rule(keeps=True),
    "maximum": Rule(keeps=True),
    "mean": Rule(),
    "minimum": Rule(keeps=True),
    "mirror_pad": Rule(keeps=True),
    "mul": Rule(),
    "pad": Rule(keeps=True),
    "prelu": Rule(),
    "reduce_max": Rule(keeps=True),
    "reduce_min": Rule(keeps=True),
    "reduce_prod": Rule(),
    "relu": Rule(),
    "relu6": Rule(),
    "relu_0_to_1": Rule(),
    "relu_n1_to_1": Rule(),
    "reshape": Rule(keeps=True),
    "resize_bilinear": Rule(keeps=True),
    "resize_nearest": Rule(keeps=True),
    "reverse_sequence": Rule(keeps=True),
    "rsqrt": Rule(),
    "slice": Rule(keeps=True),
    "softmax": Rule(output=(1 / 256, -128)),
    "space_to_batch": Rule(keeps=True),
    "split": Rule(keeps=True),
    "sqrt": Rule(),
    "squared_difference": Rule(),
    "sub": Rule(),
    "tanh": Rule(output=(1 / 128, 0)),
    "transpose": Rule(keeps=True),
    "transpose_conv": Rule(weights=0),
}

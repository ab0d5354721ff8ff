"""The shift that is taken off the bias equals the mean difference of the two layers, run on the same samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.ops.convolution import ConvolutionAttributes
from edge_sdk.compiler.ops.fully_connected import FullyConnectedAttributes
from edge_sdk.compiler.quantize.bias_correction import mean_shift
from edge_sdk.quantization.running import open_graph
from tests.unit.compiler.quantize.float_models import samples

CASES = {
    "conv2d": ((1, 7, 6, 4), (5, 3, 2, 4), (1, 4, 6, 5), ConvolutionAttributes((2, 1), (1, 1), (1, 0, 1, 1))),
    "dilated": ((1, 9, 9, 2), (3, 3, 3, 2), (1, 5, 5, 3), ConvolutionAttributes((1, 1), (2, 2))),
    "depthwise_conv2d": ((1, 6, 6, 3), (1, 3, 3, 6), (1, 3, 3, 6), ConvolutionAttributes((2, 2), (1, 1), (0, 0, 1, 1))),
    "fully_connected": ((1, 2, 3, 2), (4, 6), (2, 4), FullyConnectedAttributes()),
}


@pytest.mark.parametrize("case", CASES)
def test_the_shift_is_the_mean_difference_of_the_outputs(case: str):
    shape, filter_shape, output, attributes = CASES[case]
    rng = np.random.default_rng(4)
    exact = rng.normal(0, 1, filter_shape).astype(np.float32)
    rounded = np.round(exact, 1).astype(np.float32)
    x, y = Value("x", "float32", shape), Value("y", "float32", output)
    node = Node(
        case.replace("dilated", "conv2d"), "n", [x, Value("w", "float32", filter_shape, data=exact)], [y], attributes
    )
    given = samples(4, *shape)
    means = []
    for weights in (exact, rounded):
        one = replace(node, inputs=[x, Value("w", "float32", filter_shape, data=weights)])
        with open_graph(Graph("g", [x], [y], [one])) as model:
            means.append(np.mean([model.run(*sample)[0] for sample in given], axis=0, dtype=np.float64))
    expected = (means[1] - means[0]).reshape(-1, output[-1]).mean(axis=0)
    mean = np.mean([sample[0] for sample in given], axis=0, dtype=np.float64)
    found = mean_shift(node, rounded.astype(np.float64) - exact, mean)
    assert np.abs(expected).max() > 1e-3
    assert found == pytest.approx(expected, abs=2e-6)


def test_an_op_whose_sums_are_not_known_here_has_no_shift():
    node = Node("other", "n", [Value("x", "float32", (1,))], [Value("y", "float32", (1,))])
    assert mean_shift(node, np.zeros((1, 1)), np.zeros(1)) is None

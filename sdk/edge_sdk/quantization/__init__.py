"""Quantising a model: run the float one on samples, make it int8, compare the two, keep in float what must be.

    capture    the samples: a .npz file, checked against the model's inputs
    running    graphs become sessions of our own engine; samples go through
    outcome    how far two models' outputs are apart
    search     which nodes stay in float
    report     what came of it, for people and programs
    quantize   all of it in order
    weights_only   the other way: narrower weights, float activations

The rewriting itself is pure and lives in `edge_sdk.compiler.quantize`; here it meets the runtime.
"""

from __future__ import annotations

from edge_sdk.quantization.quantize import Order, Progress, Quantized, quantize
from edge_sdk.quantization.weights_only import Shrunk, WeightsOrder, shrink_weights

__all__ = ["Order", "Progress", "Quantized", "Shrunk", "WeightsOrder", "quantize", "shrink_weights"]

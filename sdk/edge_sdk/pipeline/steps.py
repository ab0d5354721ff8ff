"""The table of steps: those of signal processing, and the model."""

from __future__ import annotations

from edge_sdk.dsp import STEPS as DSP_STEPS
from edge_sdk.registry import Registry

STEPS = Registry("step", {**DSP_STEPS, "model": "edge_sdk.pipeline.model_step:ModelStep"})

#: Steps that call a kernel: for these the kernels are made ready before the first sample comes.
NEED_KERNELS = frozenset({"spectrum"})

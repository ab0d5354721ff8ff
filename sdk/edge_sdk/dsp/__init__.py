"""Signal processing: steps between sensor and model. One module per step, one row here; `base.Step` is the contract.

Every class is built as `Class(options, where, spec, kernels)`: its `Options`, its place in the file (for complaints),
the spec of what it gets, and what calls kernels (None where none is needed).
"""

from __future__ import annotations

from edge_sdk.registry import Registry

STEPS = Registry(
    "step",
    {
        "envelope": "edge_sdk.dsp.envelope:EnvelopeStep",
        "spectrum": "edge_sdk.dsp.spectrum:SpectrumStep",
        "threshold": "edge_sdk.dsp.threshold:ThresholdStep",
        "window": "edge_sdk.dsp.window:WindowStep",
    },
)

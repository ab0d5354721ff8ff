"""The kernel `spectrum_f32` in numpy and float64, as kernels/spectrum/spectrum.def words it: stand-in and oracle."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np


class NumpyKernels:
    """Answers `call("spectrum_f32", ...)`; keeps the fields of the last call for tests to look at."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}

    def call(self, kernel: str, inputs: Any, outputs: Any, **fields: Any) -> dict[str, Any]:
        assert kernel == "spectrum_f32"
        self.fields = fields
        x = inputs["input"].astype(np.float64)
        assert inputs["input"].dtype == np.float32
        assert x.shape == (fields["frames"], fields["frame_size"], fields["channels"])
        if fields["remove_mean"]:
            x = x - x.mean(axis=1, keepdims=True)
        window = inputs["window"].astype(np.float64)
        power = np.abs(np.fft.rfft(x * window[None, :, None], axis=1)) ** 2 * fields["power_scale"]
        edges = inputs["edges"].astype(int)
        assert inputs["edges"].dtype == np.uint32
        assert len(edges) == fields["bands"] + 1
        bands = np.stack([power[:, a:b].mean(axis=1) for a, b in pairwise(edges)], axis=-1)
        if fields["log"]:
            bands = np.log10(np.maximum(bands, fields["floor"]))
        shape, dtype = outputs["output"]
        return {"output": bands.astype(dtype).reshape(shape)}

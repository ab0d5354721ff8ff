"""A small project without a model: windows of a recording, and an alarm when one is loud."""

from __future__ import annotations

from pathlib import Path

import numpy as np

PIPELINE = """
name = "test"
device = "gw"

[sources.a]
type = "serial"
port = "${env:NOT_SET_PORT}"
rate_hz = 100
frame = { format = "<h" }
channels = [{ name = "x", unit = "g", scale = 0.5 }]

[[steps]]
id = "win"
use = "window"
input = "a"
size = 10

[[sinks]]
type = "mqtt"
input = "win"
url = "${env:NOT_SET_BROKER}"
"""


def write_project(folder: Path, expect: str, *, pipeline: str = PIPELINE, replay: str = 'a = "x.npz"') -> Path:
    """Write a pipeline, a recording of the counts 0 to 99, and a golden test; return the test's file."""
    np.savez(folder / "x.npz", x=np.arange(100, dtype=np.int16))
    (folder / "pipeline.toml").write_text(pipeline)
    path = folder / "case.toml"
    path.write_text(f'name = "counts"\npipeline = "pipeline.toml"\n[replay]\n{replay}\n[expect]\n{expect}\n')
    return path

"""average_pool: the mean of a window's cells inside the image."""

from __future__ import annotations

from edge_sdk.compiler.ops.pool import Pool


class AveragePool(Pool):
    """int8 rounds halves away from zero, on the raw steps without the zero point."""

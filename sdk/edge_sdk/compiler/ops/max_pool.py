"""max_pool: the greatest of a window's cells inside the image."""

from __future__ import annotations

from edge_sdk.compiler.ops.pool import Pool


class MaxPool(Pool):
    """Exact in every dtype."""

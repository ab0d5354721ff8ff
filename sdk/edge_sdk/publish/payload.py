"""The JSON of one result, the same for every sink.

    {"device": "gw-3", "pipeline": "press-7", "step": "score", "id": 1769860800250041, "seq": 41,
     "time_monotonic_s": 8123.25, "time_utc": "2026-01-31T12:00:00.250Z", "label": "inner", "score": 0.93,
     "alarm": true, "model_sha256": "9f2c...", "latency_ms": {"window": 0.01, "model": 0.2, "total": 0.4},
     "engine": "host (avx2)", "gap": false}

`id` is there where a result may come twice: no two results of a device have the same, and it grows. `"stale": true` is
added only when the model failed and the values are the last good ones, `"historical": true` only when the result waited
for its broker.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from edge_sdk.reading import Result
from edge_sdk.units import rfc3339

_encoder = msgspec.json.Encoder()


def payload(result: Result, number: int | None = None) -> dict[str, Any]:
    """Return the result as plain values; a score that is no finite number becomes None.

    Args:
        number: the message's `id`; None: it has none.
    """
    known = result.score is not None and math.isfinite(result.score)
    table: dict[str, Any] = {
        "device": result.device,
        "pipeline": result.pipeline,
        "step": result.step,
        **({} if number is None else {"id": number}),
        "seq": result.seq,
        "time_monotonic_s": round(result.time_s, 6),
        "time_utc": rfc3339(result.utc),
        "label": result.label,
        "score": result.score if known else None,
        "alarm": result.alarm,
        "model_sha256": result.model_sha256,
        "latency_ms": {stage: round(1000 * value, 4) for stage, value in result.latency_s.items()},
        "engine": result.engine,
        "gap": result.gap,
    }
    return {**table, "stale": True} if result.stale else table


def encode(result: Result, number: int | None = None) -> bytes:
    """Return the result as one line of JSON, without the line's end."""
    return _encoder.encode(payload(result, number))


def as_historical(data: bytes) -> bytes:
    """Return an encoded result with the mark that it waited."""
    return data[:-1] + b',"historical":true}' if data.endswith(b"}") else data

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from edge_sdk.publish.payload import encode
from edge_sdk.reading import Result

RESULT = Result(
    device="gw-3",
    pipeline="press-7",
    step="score",
    seq=41,
    time_s=8123.25,
    utc=datetime(2026, 1, 31, 12, 0, 0, 250_999, timezone.utc),
    values=np.array([0.07, 0.93], np.float32),
    label="inner",
    score=0.93,
    alarm=True,
    latency_s={"window": 0.00001, "model": 0.0002, "total": 0.0004},
    model_sha256="9f",
    engine="host (avx2)",
)


def test_the_payload_has_exactly_the_promised_keys_in_order() -> None:
    assert encode(RESULT) == (
        b'{"device":"gw-3","pipeline":"press-7","step":"score","seq":41,"time_monotonic_s":8123.25,'
        b'"time_utc":"2026-01-31T12:00:00.250Z","label":"inner","score":0.93,"alarm":true,"model_sha256":"9f",'
        b'"latency_ms":{"window":0.01,"model":0.2,"total":0.4},"engine":"host (avx2)","gap":false}'
    )


@pytest.mark.parametrize("score", [None, float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_null(score: float | None) -> None:
    assert json.loads(encode(replace(RESULT, score=score)))["score"] is None


def test_old_values_are_marked_stale_and_only_those() -> None:
    assert json.loads(encode(replace(RESULT, stale=True)))["stale"] is True
    assert "stale" not in json.loads(encode(RESULT))


def test_stamps_are_utc_whatever_the_zone_of_the_clock() -> None:
    local = RESULT.utc.astimezone(timezone(timedelta(hours=5)))
    assert json.loads(encode(replace(RESULT, utc=local)))["time_utc"] == "2026-01-31T12:00:00.250Z"

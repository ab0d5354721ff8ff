from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.errors import ConfigError, TargetNotFoundError
from edge_sdk.golden import encode_rows, read_rows
from edge_sdk.golden.rows import row_of
from edge_sdk.reading import Result

UTC = datetime(2026, 1, 1, tzinfo=timezone.utc)


def result(values: list[float], score: float | None = None) -> Result:
    return Result("gw", "p", "win", 3, 1.0, UTC, np.array(values, np.float32), score=score)


def test_every_float32_comes_back_as_itself(tmp_path: Path) -> None:
    bits = np.random.default_rng(5).integers(0, 1 << 32, 2000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    (tmp_path / "g").write_bytes(encode_rows([row_of(result(list(map(float, values))))]))
    (row,) = read_rows(tmp_path / "g")
    assert np.array_equal(np.array(row.values, np.float32), values)


def test_what_is_no_finite_number_is_null(tmp_path: Path) -> None:
    (tmp_path / "g").write_bytes(encode_rows([row_of(result([float("nan"), float("inf")], float("nan")))]))
    assert b'"score":null' in (tmp_path / "g").read_bytes()
    assert read_rows(tmp_path / "g")[0].values == (None, None)


@pytest.mark.parametrize("line", [b"{}", b"[]", b"\xff", b'{"step":1}', b"[" * 100_000])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    good = encode_rows([row_of(result([1.0]))])
    (tmp_path / "g").write_bytes(good + line)
    with pytest.raises(ConfigError, match=r"g:2: not a recorded result"):
        read_rows(tmp_path / "g")


def test_results_that_were_never_recorded_say_how_to_record_them(tmp_path: Path) -> None:
    with pytest.raises(TargetNotFoundError) as caught:
        read_rows(tmp_path / "none.ndjson", hint="edge-sdk test --update")
    assert caught.value.hint == "edge-sdk test --update"

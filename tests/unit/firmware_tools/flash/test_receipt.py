from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edge_sdk.errors import EdgeError
from firmware_tools.flash.receipt import clock_state, keep, operator

RECEIPT = {"target": "root@10.0.0.7", "app": "press-7", "slot": "1.0.0-aa", "outcome": "running"}


def test_a_receipt_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = keep(RECEIPT, {"XDG_STATE_HOME": str(tmp_path)})
    assert json.loads(path.read_text()) == RECEIPT
    assert path.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"\d{8}T\d{9}Z-root-10\.0\.0\.7-press-7-1\.0\.0-aa\.json", path.name)


def test_a_target_cannot_choose_where_its_receipt_goes(tmp_path: Path) -> None:
    path = keep({**RECEIPT, "target": "../../../x/" + "y" * 500}, {"XDG_STATE_HOME": str(tmp_path)})
    assert path.parent == tmp_path / "edge-sdk/receipts"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "edge-sdk").write_text("a file")
    with pytest.raises(EdgeError, match=r"receipts/.*cannot be written"):
        keep(RECEIPT, {"XDG_STATE_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("utc_s", "state"),
    [(0, "unknown"), (-5, "unknown"), (1, "not set"), (1_704_067_199, "not set"), (1_704_067_200, "ok")],
)
def test_a_clock_before_2024_was_never_set(utc_s: int, state: str) -> None:
    assert clock_state(utc_s) == state


def test_the_operator_is_a_user_at_a_host() -> None:
    assert re.fullmatch(r"[^@]+@.+", operator())

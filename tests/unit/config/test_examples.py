"""The pipelines shown in README.md are pipelines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_sdk.config.pipeline import read_pipeline
from tests.support import REPOSITORY

SHOWN = re.findall(r"^```toml\n(.*?)^```$", (REPOSITORY / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", SHOWN)
def test_shown_pipeline_is_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "pipeline.toml").write_text(text)
    shown = read_pipeline(tmp_path / "pipeline.toml")
    assert [part.kind for part in shown.steps] == ["window", "spectrum", "model", "threshold"]

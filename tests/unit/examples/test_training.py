"""examples/bearing: the file it writes is a .tflite file for others too, and training can be repeated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edge_sdk
from tests.real import oracle
from tests.support import REPOSITORY

TRAIN = REPOSITORY / "examples" / "bearing" / "train.py"
MODEL = REPOSITORY / "examples" / "demo" / "motor.tflite"


def train(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TRAIN), *options, "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_same_seed_gives_the_same_file_and_another_seed_another(tmp_path):
    files = []
    for number, seed in enumerate(("3", "3", "4")):
        ended = train(tmp_path / str(number), "--sim", "--motors", "12", "--epochs", "2", "--seed", seed)
        assert ended.returncode == 0, ended.stderr
        files.append((tmp_path / str(number) / "motor.tflite").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_a_short_training_already_tells_healthy_from_broken(tmp_path):
    ended = train(tmp_path, "--sim", "--motors", "120", "--epochs", "15")
    assert ended.returncode == 0, ended.stderr
    facts = json.loads((tmp_path / "motor.json").read_text())
    assert min(facts["accuracy_by_label"].values()) > 0.85, facts


def test_the_committed_model_says_how_to_make_it_again():
    facts = json.loads(MODEL.with_suffix(".json").read_text())
    assert facts["made_by"] == "python examples/bearing/train.py --sim"
    assert facts["accuracy_before_quantisation"] > 0.97
    assert facts["labels"] == ["healthy", "fault"]


@pytest.mark.parametrize("engine", ["host", "sandbox"])
def test_the_committed_model_means_the_same_to_litert_and_to_us(tmp_path, engine):
    pytest.importorskip("ai_edge_litert", reason="the oracle is not installed: pip install ai-edge-litert")
    calls = [[x] for x in np.random.default_rng(8).integers(-128, 128, (200, 1, 64)).astype(np.int8)]
    expected = oracle.run_oracle(MODEL, calls, tmp_path)
    with edge_sdk.load(MODEL, engine=engine) as model:
        for call, (truth,) in zip(calls, expected, strict=True):
            assert np.array_equal(model.run(*call)[0], truth)


def test_recordings_of_others_are_never_learnt_into_the_repository():
    command = [sys.executable, str(TRAIN), "--cwru", "anywhere"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "--cwru needs --out" in ended.stderr

"""A few executions for every change, the corpus, and whether the fuzzer would notice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_sdk.errors import ModelError
from tests.fuzz import run
from tests.fuzz.mutate import mutated
from tests.support import REPOSITORY, require_shared

CORPUS = Path(__file__).parent / "corpus"
REFUSED = ("ModelError", "UnsupportedModelError")
FINE = (*REFUSED, "converted")


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.tflite")), ids=lambda path: path.stem)
def test_what_was_found_once_is_refused_or_converted(path: Path) -> None:
    word, trace = run.outcome(path.read_bytes())
    assert word in FINE, trace


def test_what_was_found_in_models_of_others_is_refused_or_converted() -> None:
    require_shared("models")
    for name, number in map(str.split, (CORPUS / "recipes.txt").read_text().splitlines()):
        word, trace = run.outcome(mutated(run.real_base(name), int(number)))
        assert word in FINE, trace


def test_two_thousand_damaged_models_give_nothing_but_our_errors(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", "--seed", "20", "--executions", "2000", "--found", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    tally = json.loads(done.stdout)
    assert tally["executions"] == 2000
    assert sum(tally[word] for word in REFUSED) > 1000
    assert tally["converted"] > 100


def test_the_same_number_gives_the_same_damage_and_another_number_another() -> None:
    files = [run.execution(number) for number in (10_001, 10_001, 10_003)]
    assert files[0] == files[1]
    assert files[0][1] != files[2][1]
    changed = [data != base.data for base, data in map(run.execution, range(20_001, 20_101))]
    assert sum(changed) > 80


def test_places_lie_in_the_file_and_references_lead_into_it() -> None:
    for base in run.bases()[0][::7]:
        places, size = base.places, len(base.data)
        assert places.counts
        assert places.vtable_entries
        assert all(0 <= at <= size - width for at, width in places.numbers)
        for at in places.references:
            assert at < at + int.from_bytes(base.data[at : at + 4], "little") < size


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (lambda: ZeroDivisionError(), "FOUND ZeroDivisionError"),
        (lambda: MemoryError(), "FOUND MemoryError"),
        (lambda: ModelError("no"), "ModelError"),
    ],
)
def test_anything_but_our_errors_is_a_finding(monkeypatch: pytest.MonkeyPatch, fault, word: str) -> None:
    def convert(data: bytes, *, name: str) -> None:
        raise fault()

    monkeypatch.setattr(run, "convert", convert)
    assert run.outcome(b"")[0] == word


def test_an_execution_that_does_not_end_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(data: bytes, *, name: str) -> None:
        started = time.monotonic()
        while time.monotonic() < started + 60:
            pass

    monkeypatch.setattr(run, "convert", convert)
    monkeypatch.setattr(run, "EXECUTION_S", 0.1)
    assert run.outcome(b"")[0] == "FOUND SlowError"

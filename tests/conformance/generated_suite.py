"""Models of one random operator: each engine against the reference kernels, and the engines against each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from edge_sdk.compiler.convert import convert
from edge_sdk.compiler.importers import import_model
from edge_sdk.errors import EdgeError
from tests.conformance.cases import CASES
from tests.conformance.engines import ENGINES, run
from tests.conformance.judge import Truth, apart
from tests.conformance.models import Generated, single_op_model
from tests.real.oracle import Arrays, Oracle, OracleError

#: The two engines against each other, beside the names of engines.
BETWEEN = "engines"
#: Mistakes of a row that are kept in words.
MAX_WORDS = 20


@dataclass(frozen=True)
class Trial:
    """Which model: the three say all about it."""

    case: str
    dtype: str
    seed: int


@dataclass
class Tally:
    """What became of the models of one operator and dtype.

    Attributes:
        operator: the schema's word.
        wrong: engine, or BETWEEN -> models with something wrong.
        words: what, with the seed that makes the model again.
    """

    operator: str
    dtype: str
    cases: set[str] = field(default_factory=set)
    tried: int = 0
    wrong: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*ENGINES, BETWEEN), 0))
    words: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count the other's models too."""
        self.cases |= other.cases
        self.tried += other.tried
        for who, count in other.wrong.items():
            self.wrong[who] += count
        self.words = (self.words + other.words)[:MAX_WORDS]


def plan_trials(seed: int, count: int, done: Collection[tuple[str, str]] = ()) -> list[Trial]:
    """Return at least `count` trials, the same number for each case and dtype, without those that are done."""
    rows = [(case, dtype) for case, row in CASES.items() for dtype in row.dtypes]
    each = -(-count // len(rows))
    return [
        Trial(case, dtype, seed * 1_000_000_007 + number * len(rows) + place)
        for number in range(each)
        for place, (case, dtype) in enumerate(rows)
        if (case, dtype) not in done
    ]


def operator_of(generated: Generated) -> str:
    """Return the schema's word for the operator of a single-operator model."""
    return import_model(generated.data, "case").nodes[-1].origin


def try_model(oracle: Oracle, trial: Trial) -> tuple[Generated, dict[str, list[str]]]:
    """Return the model and what is wrong: engine, or BETWEEN -> lines of words."""
    generated = single_op_model(trial.case, trial.dtype, trial.seed)
    calls = generated.draw(trial.seed)
    found: dict[str, list[str]] = {}
    try:
        module = convert(generated.data, name="case").module
        answers = {engine: run(module, engine, calls) for engine in ENGINES}
        truth = Truth(oracle, generated, calls)
        found = {engine: truth.mistakes(ours) for engine, ours in answers.items()}
        found[BETWEEN] = _apart(trial, generated, calls, *answers.values())
    except (EdgeError, OracleError) as error:
        words = f"{type(error).__name__}: {error}"
        found = {engine: [words] for engine in ENGINES}
    return generated, {who: words for who, words in found.items() if words}


def _apart(
    trial: Trial, generated: Generated, calls: list[Arrays], host: list[Arrays], sandbox: list[Arrays]
) -> list[str]:
    found = apart(generated.uses, host, sandbox, None)
    if not found or not CASES[trial.case].is_sum:
        return found
    positive = single_op_model(trial.case, trial.dtype, trial.seed, magnitudes=True)
    magnitudes = [[np.abs(array) for array in call] for call in calls]
    sums = run(convert(positive.data, name="sums").module, "host", magnitudes)
    return apart(generated.uses, host, sandbox, sums)


def try_all(oracle: Oracle, trials: Iterable[Trial]) -> dict[tuple[str, str], Tally]:
    """Return (operator, dtype) -> what became of its models."""
    tallies: dict[tuple[str, str], Tally] = {}
    for trial in trials:
        generated, found = try_model(oracle, trial)
        operator = operator_of(generated)
        tally = Tally(operator, trial.dtype, {trial.case}, 1)
        for who, words in found.items():
            tally.wrong[who] = 1
            tally.words += [f"{trial.case} {trial.dtype} seed {trial.seed}: {who}: {line}" for line in words]
        tallies.setdefault((operator, trial.dtype), Tally(operator, trial.dtype)).add(tally)
    return tallies

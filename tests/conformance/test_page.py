"""docs/conformance.md says what the tables say: its operators, dtypes and versions; and that nothing was wrong.

When this fails, an operator or a dtype came or went since the page was made. `make conformance` makes it again;
`make conformance CONFORMANCE=--add` tries only what the last run had not.
"""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

from edge_sdk import abi
from edge_sdk.compiler.importers.tflite.control import CONTROL
from edge_sdk.compiler.importers.tflite.ops import OPERATORS
from tests.conformance.cases import CASES
from tests.conformance.floats_suite import FLOAT_OPS
from tests.conformance.generated_suite import BETWEEN, Tally, operator_of, plan_trials
from tests.conformance.layers_suite import LayersTally
from tests.conformance.models import single_op_model
from tests.conformance.page import (
    FloatsTally,
    Result,
    float_ops_of,
    operators_of,
    render,
    versions_of,
)
from tests.conformance.real_suite import ModelTally
from tests.support import REPOSITORY, skip_loudly

PAGE = REPOSITORY / "docs" / "conformance.md"
#: Uses of each row that show which operators it writes.
USES = 8


@pytest.fixture(scope="module")
def page() -> str:
    if not PAGE.exists():
        skip_loudly(f"{PAGE} is absent: run `make conformance` and commit it")
    return PAGE.read_text()


def test_operators_and_dtypes_are_those_of_the_cases(page: str) -> None:
    written = {
        (operator_of(single_op_model(case, dtype, seed)), dtype)
        for case, row in CASES.items()
        for dtype in row.dtypes
        for seed in range(USES)
    }
    assert operators_of(page) == written
    assert {operator for operator, _ in written} - set(CONTROL) == set(OPERATORS)


def test_versions_are_those_installed(page: str) -> None:
    found = versions_of(page)
    assert found.pop("edge-sdk") == version("edge-sdk")
    assert found.pop("ABI") == str(abi.ABI_VERSION)
    assert re.match(r"2\.3\.", found.pop("LiteRT"))
    assert not found


def test_operators_with_floats_are_those_with_a_reason(page: str) -> None:
    assert float_ops_of(page) == set(FLOAT_OPS)


def test_the_page_was_made_by_a_whole_campaign_without_a_mistake(page: str) -> None:
    assert "Nothing is wrong." in page
    assert "refused" not in page
    (tried,) = re.findall(r"^([\d,]+) models of one operator", page, re.MULTILINE)
    assert int(tried.replace(",", "")) >= 5000


def result() -> Result:
    versions = {"edge-sdk": "1.2", "ABI": "3", "LiteRT": "2.3.0", "numpy": "2"}
    made = Result(seed=5, inputs=7, date="2026-01-02", versions=versions)
    made.generated = {(op, dtype): Tally(op, dtype, {"x"}, 4) for op, dtype in (("ADD", "int8"), ("NEG", "bool"))}
    made.models = [ModelTally("net", inputs=7, tensors=9, worst={"host": 1e-7, "sandbox": 2e-7}, allowed=1e-5)]
    made.layers = [LayersTally("net", 3)]
    made.floats = FloatsTally({"add", *FLOAT_OPS}, set(FLOAT_OPS))
    return made


def test_a_page_can_be_read_again() -> None:
    text = render(result())
    assert operators_of(text) == {("ADD", "int8"), ("NEG", "bool")}
    assert versions_of(text) == {"edge-sdk": "1.2", "ABI": "3", "LiteRT": "2.3.0"}
    assert float_ops_of(text) == set(FLOAT_OPS)
    assert "Nothing is wrong." in text
    assert "| net | 7 | 7 | 9 | 2.0e-07 of 1.0e-05 |" in text


def test_a_later_run_knows_what_has_been_tried() -> None:
    assert result().rows == {("x", "int8"), ("x", "bool")}
    row = next((case, dtype) for case, row in CASES.items() for dtype in row.dtypes)
    everything, rest = plan_trials(3, 1000), plan_trials(3, 1000, {row})
    assert len(everything) >= 1000
    assert rest == [trial for trial in everything if (trial.case, trial.dtype) != row]
    assert len(rest) < len(everything)


@pytest.mark.parametrize("where", ["generated", "between", "model", "refused", "layers", "floats", "stale"])
def test_whatever_is_wrong_stands_on_the_page(where: str) -> None:
    made = result()
    tally = made.generated["ADD", "int8"]
    if where in ("generated", "between"):
        tally.wrong["host" if where == "generated" else BETWEEN] = 1
        tally.words = ["add int8 seed 3: host: 1 of 2 values differ"]
    elif where == "model":
        made.models[0].words = ["host: call 2: output 0: 1 of 2 values differ"]
    elif where == "refused":
        made.models[0].refused = "net: cannot be converted"
    elif where == "layers":
        made.layers[0].words = ["CONV_2D 'y': error 1"]
    elif where == "floats":
        made.floats.found.add("add")
    else:
        made.floats.found.clear()
    assert made.wrong
    assert "Nothing is wrong." not in render(made)

"""Golden tests: a recording goes through a pipeline, and the results are those that were written down.

    case = read_case(Path("tests/worn.toml"))
    outcome = run_case(case)
    problems = mismatches(case, outcome)     # sentences; none: the test passes

Nothing is sent anywhere and no clock matters: the recording goes as fast as the machine can, sinks stay closed, and
time stamps and latencies are not compared.
"""

from edge_sdk.golden.case import Case, read_case
from edge_sdk.golden.compare import mismatches
from edge_sdk.golden.rows import Row, encode_rows, read_rows
from edge_sdk.golden.trial import Outcome, run_case

__all__ = ["Case", "Outcome", "Row", "encode_rows", "mismatches", "read_case", "read_rows", "run_case"]

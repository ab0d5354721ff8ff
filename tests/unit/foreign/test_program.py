from __future__ import annotations

import ast
import sys

from edge_sdk.foreign.process import PROGRAM


def test_the_child_needs_nothing_but_python_and_numpy() -> None:
    tree = ast.parse(PROGRAM.read_text())
    names = {
        alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    } | {str(node.module).partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names - sys.stdlib_module_names == {"numpy"}


def test_the_child_is_written_in_the_python_of_old_runtimes() -> None:
    assert ast.parse(PROGRAM.read_text(), feature_version=(3, 9))

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path

from firmware_tools.flash.receiver_program import MODULES, receiver_program, receiver_words


def test_each_module_imports_the_standard_library_and_those_before_it() -> None:
    for number, name in enumerate(MODULES):
        tree = ast.parse(Path(str(import_module(name).__file__)).read_text())
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for one in names:
                assert one in MODULES[:number] or one.split(".")[0] in sys.stdlib_module_names, (name, one)


def test_what_is_sent_begins_with_its_length() -> None:
    length, _, text = receiver_program().partition(b"\n")
    assert int(length) == len(text)


def test_the_words_that_start_it_survive_every_shell() -> None:
    loader = receiver_words("python3", "/")[-2]
    assert not set(loader) & set("'\"\\!$`\n")

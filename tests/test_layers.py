"""The floors of the house, held by `ast`: who may import whom, how long files and functions are, how they are called.

    6  cli                                     firmware_tools.cli
    5  pipeline < golden, pipeline < bench < quantization, learn sim     firmware_tools.{update < flash}
    4  load (and the package's door) dsp
    3  compiler runtime foreign sensors publish
    2  abi health registry < config engines < board           firmware_tools.{sign < bundle}
    1  errors < units reading tensor

An import goes to a lower floor or stays inside its own unit; `<` is an order among neighbours, which otherwise do not
meet. If a finding hurts, move the code; do not add an exception here.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SDK = REPOSITORY / "sdk"

MOST_FILE_LINES = 600
MOST_FUNCTION_LINES = 80
FORBIDDEN_NAMES = {"common", "data2", "helper", "helpers", "manager", "misc", "util", "utils"}

#: unit -> (floor, order among its neighbours). Equal pairs of different units may not import each other.
EDGE_SDK = {
    "errors": (1, 0),
    "reading": (1, 1),
    "tensor": (1, 1),
    "units": (1, 1),
    "abi": (2, 0),
    "engines": (2, 1),
    "health": (2, 0),
    "registry": (2, 0),
    "config": (2, 1),
    "board": (2, 2),
    "compiler": (3, 0),
    "foreign": (3, 0),
    "publish": (3, 0),
    "runtime": (3, 0),
    "sensors": (3, 0),
    "": (4, 1),
    "dsp": (4, 0),
    "load": (4, 0),
    "bench": (5, 0),
    "golden": (5, 1),
    "learn": (5, 0),
    "pipeline": (5, -1),
    "quantization": (5, 1),
    "sim": (5, 0),
    "cli": (6, 0),
}
FIRMWARE_TOOLS = {
    "": (6, 1),
    "bundle": (2, 4),
    "cli": (6, 0),
    "flash": (5, 0),
    "sign": (2, 3),
    "update": (5, -1),
}
#: The same inside compiler/; its other modules (convert and what it coordinates with) stand above all of these.
COMPILER = {"graph": 1, "ops": 2, "passes": 3, "codegen": 4, "importers": 4, "quantize": 4}
COMPILER_TOP = 5


@dataclass(frozen=True)
class Import:
    """`module` (dotted) is imported by the file at `path`, which is the module `by`."""

    by: str
    module: str
    path: Path
    line: int


def python_files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Every import in the file, those inside functions and under TYPE_CHECKING included."""
    name = module_name(path, root)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, path, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                yield Import(name, _deepest(root, base, alias.name), path, node.lineno)


def _deepest(root: Path, base: str, name: str) -> str:
    """`from a import b` is a.b where that is a module, else a."""
    folder = root.joinpath(*base.split("."))
    return f"{base}.{name}" if (folder / name).is_dir() or (folder / f"{name}.py").is_file() else base


def unit_of(module: str) -> str:
    """ "edge_sdk.config.where" -> "config"; "edge_sdk" -> ""."""
    return [*module.split("."), ""][1]


def floor_findings(root: Path) -> list[str]:
    """Imports in edge_sdk and firmware_tools under `root` that do not go down."""
    found = []
    for path in [*python_files(root / "edge_sdk"), *python_files(root / "firmware_tools")]:
        for one in imports_of(path, root):
            problem = _import_problem(one)
            if problem:
                found.append(f"{one.path.relative_to(root)}:{one.line}: {problem}")
    return found


def _import_problem(one: Import) -> str | None:
    ours = one.by.split(".")[0]
    theirs = one.module.split(".")[0]
    if theirs not in ("edge_sdk", "firmware_tools"):
        return None
    if ours == "edge_sdk" and theirs == "firmware_tools":
        return f"edge_sdk never imports firmware_tools, here {one.module}"
    by, to = unit_of(one.by), unit_of(one.module)
    if ours == theirs and by == to:
        return _compiler_problem(one) if by == "compiler" and ours == "edge_sdk" else None
    floors = [EDGE_SDK if package == "edge_sdk" else FIRMWARE_TOOLS for package in (ours, theirs)]
    for package, unit, table in ((ours, by, floors[0]), (theirs, to, floors[1])):
        if unit not in table:
            return f"{package}.{unit} stands on no floor"
    if ours == "firmware_tools" and theirs == "edge_sdk" and EDGE_SDK[to][0] > 2:
        return f"firmware_tools sees floors 1 and 2 of edge_sdk only, here {one.module}"
    if floors[1][to] >= floors[0][by]:
        return f"{one.by} (floor {floors[0][by][0]}) imports {one.module} (floor {floors[1][to][0]})"
    return None


def _compiler_problem(one: Import) -> str | None:
    by, to = ([*module.split("."), "", ""][2] for module in (one.by, one.module))
    if by == to or not to:
        return None
    if COMPILER.get(to, COMPILER_TOP) >= COMPILER.get(by, COMPILER_TOP) and by in COMPILER:
        return f"compiler.{by} imports compiler.{to}; the order is importers|codegen > passes > ops > graph"
    return None


def size_findings(root: Path) -> list[str]:
    """Files and functions that are too long, and modules with a name that says nothing."""
    found = []
    for path in python_files(root):
        text = path.read_text()
        place = path.relative_to(root)
        lines = len(text.splitlines())
        if lines > MOST_FILE_LINES:
            found.append(f"{place}: {lines} lines, at most {MOST_FILE_LINES}")
        if {path.stem, *place.parent.parts} & FORBIDDEN_NAMES:
            found.append(f"{place}: this name says nothing about what is inside")
        for node in ast.walk(ast.parse(text, str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MOST_FUNCTION_LINES:
                    found.append(
                        f"{place}:{node.lineno}: {node.name} has {length} lines, at most {MOST_FUNCTION_LINES}"
                    )
    return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both packages side by side, as they are installed."""
    root = tmp_path_factory.mktemp("house")
    (root / "edge_sdk").symlink_to(SDK / "edge_sdk")
    (root / "firmware_tools").symlink_to(REPOSITORY / "firmware_tools")
    return root


def test_imports_go_down(house: Path) -> None:
    assert not floor_findings(house), "\n".join(floor_findings(house))


def test_files_and_functions_are_short_and_named_for_what_they_hold(house: Path) -> None:
    findings = [text for package in ("edge_sdk", "firmware_tools") for text in size_findings(house / package)]
    assert not findings, "\n".join(findings)


def test_every_unit_of_the_package_stands_on_a_floor() -> None:
    units = {
        path.stem for path in (SDK / "edge_sdk").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert units - {"__init__"} - EDGE_SDK.keys() == set()


def test_the_checker_sees_the_real_files(house: Path) -> None:
    assert len(python_files(house / "edge_sdk")) > 20
    assert any(one.module == "edge_sdk.errors" for one in imports_of(house / "edge_sdk/registry.py", house))


def test_runtime_is_imported_without_the_compiler() -> None:
    script = (
        "import sys, pkgutil, importlib\n"
        "sys.modules['edge_sdk.compiler'] = None\n"
        "import edge_sdk.runtime as runtime\n"
        "names = [one.name for one in pkgutil.walk_packages(runtime.__path__, 'edge_sdk.runtime.')]\n"
        "skipped = ('build_native', '__main__')\n"
        "[importlib.import_module(name) for name in names if name.rpartition('.')[2] not in skipped]\n"
        "print(len(names))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def make_tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "firmware_tools").mkdir(exist_ok=True)
    return root


@pytest.mark.parametrize(
    ("path", "text", "part"),
    [
        ("edge_sdk/errors.py", "import edge_sdk.load", "imports edge_sdk.load"),
        ("edge_sdk/runtime/session.py", "def f():\n    from edge_sdk.compiler import convert", "edge_sdk.compiler"),
        ("edge_sdk/runtime/session.py", "from ..compiler.convert import convert", "imports edge_sdk.compiler.convert"),
        ("edge_sdk/runtime/session.py", "from edge_sdk import sensors", "imports edge_sdk.sensors"),
        ("edge_sdk/runtime/session.py", "import edge_sdk", "imports edge_sdk (floor 4)"),
        ("edge_sdk/dsp/window.py", "from edge_sdk.load import load", "imports edge_sdk.load"),
        ("edge_sdk/registry.py", "from edge_sdk.abi import KERNELS", "imports edge_sdk.abi"),
        ("edge_sdk/config/decode.py", "from edge_sdk.board import Board", "imports edge_sdk.board"),
        ("edge_sdk/cli/main.py", "import firmware_tools.cli", "never imports firmware_tools"),
        ("edge_sdk/cli/main.py", "from edge_sdk.orphan import x", "edge_sdk.orphan stands on no floor"),
        ("firmware_tools/flash/disk.py", "from edge_sdk.runtime import x", "floors 1 and 2 of edge_sdk only"),
        ("firmware_tools/sign.py", "from firmware_tools.flash import disk", "imports firmware_tools.flash"),
        ("edge_sdk/compiler/graph.py", "from edge_sdk.compiler.ops import OPS", "importers|codegen > passes"),
        ("edge_sdk/compiler/ops/add.py", "from edge_sdk.compiler import passes", "importers|codegen > passes"),
        (
            "edge_sdk/compiler/codegen/emit.py",
            "from edge_sdk.compiler.importers import x",
            "importers|codegen > passes",
        ),
        ("edge_sdk/compiler/passes/fold.py", "from edge_sdk.compiler.convert import x", "importers|codegen > passes"),
    ],
)
def test_an_import_that_goes_up_or_sideways_is_found(tmp_path: Path, path: str, text: str, part: str) -> None:
    modules = ("compiler/convert", "compiler/ops/__init__", "compiler/passes/__init__", "sensors/__init__", "load")
    tree = make_tree(tmp_path, {f"edge_sdk/{name}.py": "" for name in modules})
    make_tree(tree, {path: text})
    findings = floor_findings(tree)
    assert len(findings) == 1
    assert findings[0].startswith(f"{path}:")
    assert part in findings[0]


def test_imports_that_go_down_are_not_found(tmp_path: Path) -> None:
    tree = make_tree(
        tmp_path,
        {
            "edge_sdk/__init__.py": "from edge_sdk.load import load",
            "edge_sdk/load.py": "from edge_sdk.runtime import session\nfrom edge_sdk.compiler.convert import convert",
            "edge_sdk/runtime/__init__.py": "from .session import x",
            "edge_sdk/runtime/session.py": "import os\nfrom edge_sdk import abi\nfrom edge_sdk.errors import EdgeError",
            "edge_sdk/abi.py": "from edge_sdk.tensor import TensorSpec",
            "edge_sdk/tensor.py": "from edge_sdk.errors import EdgeError",
            "edge_sdk/errors.py": "",
            "edge_sdk/board/load.py": "from edge_sdk.config import decode\nfrom edge_sdk.registry import nearest",
            "edge_sdk/compiler/convert.py": "from .codegen import emit\nfrom edge_sdk.compiler import ops",
            "edge_sdk/compiler/codegen/emit.py": "from edge_sdk.compiler.graph import Graph",
            "edge_sdk/cli/run.py": "import edge_sdk\nfrom edge_sdk.pipeline import line",
            "firmware_tools/bundle.py": "",
            "firmware_tools/flash/ssh.py": "from edge_sdk.errors import EdgeError\nfrom firmware_tools import bundle",
        },
    )
    assert floor_findings(tree) == []


def test_long_files_long_functions_and_empty_names_are_found(tmp_path: Path) -> None:
    tree = make_tree(
        tmp_path / "edge_sdk",
        {
            "long.py": "x = 1\n" * (MOST_FILE_LINES + 1),
            "function.py": "def f():\n" + "    x = 1\n" * MOST_FUNCTION_LINES,
            "exact.py": "def f():\n" + "    x = 1\n" * (MOST_FUNCTION_LINES - 1),
            "dsp/utils.py": "",
            "helpers/one.py": "",
        },
    )
    found = size_findings(tree)
    assert [text.split(":")[0] for text in found] == ["dsp/utils.py", "function.py", "helpers/one.py", "long.py"]
    assert "f has 81 lines" in found[1]

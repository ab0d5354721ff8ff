"""The wheelhouse is the tree of this moment, and complete: an empty Python can use it."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from tests.target.disk import PYTHON
from tests.target.gateway import REPOSITORY
from tests.target.wheelhouse import wheelhouse


def test_our_wheel_holds_the_files_of_the_tree() -> None:
    (own,) = wheelhouse().glob("edge_sdk-*.whl")
    with zipfile.ZipFile(own) as wheel:
        packed = {name: wheel.read(name) for name in wheel.namelist() if name.endswith(".py")}
    for top, place in (("edge_sdk", REPOSITORY / "sdk"), ("firmware_tools", REPOSITORY)):
        tree = {str(path.relative_to(place)): path.read_bytes() for path in (place / top).rglob("*.py")}
        assert {name: data for name, data in packed.items() if name.startswith(f"{top}/")} == tree


def test_a_python_without_packages_runs_what_is_in_it(tmp_path: Path) -> None:
    for path in wheelhouse().glob("*.whl"):
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(tmp_path)
    script = (
        "import cryptography.hazmat.primitives.asymmetric.ed25519, edge_sdk, numpy, firmware_tools.sign as s, sys; "
    )
    script += "assert all(m.__file__.startswith(sys.argv[1]) for m in (edge_sdk, numpy, s)); print(edge_sdk.load)"
    clean = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([PYTHON, "-c", script, tmp_path], env=clean, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

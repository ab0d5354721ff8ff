"""What users may import. A change here is a change of the public API and belongs into the same commit."""

from __future__ import annotations

import subprocess
import sys

import edge_sdk

PUBLIC = ["EdgeError", "TensorSpec", "__version__", "load"]


def test_the_public_names_are_these() -> None:
    assert sorted(edge_sdk.__all__) == PUBLIC
    assert all(hasattr(edge_sdk, name) for name in PUBLIC)


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "[name for name in ('wasmtime', 'numpy', 'cffi', 'serial', 'paho') if name in sys.modules]"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; import edge_sdk; print({heavy})"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"

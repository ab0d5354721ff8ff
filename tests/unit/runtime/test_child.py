from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk.runtime.cache import compiled
from edge_sdk.runtime.child import child_command, child_environment
from edge_sdk.runtime.engine import EngineSpec


def plant(folder: Path, *modules: str) -> Path:
    """Put modules there that leave a file behind when they are imported; return that file."""
    mark = folder / "planted-code-ran"
    for module in modules:
        (folder / f"{module}.py").write_text(f"open({str(mark)!r}, 'w').close()")
    return mark


def test_compiling_imports_nothing_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = plant(tmp_path, "resource", "json", "wasmtime", "numpy")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGE_SDK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    compiled(EngineSpec(1 << 20), b"\0asm\x01\0\0\0")
    assert list((tmp_path / "cache").glob("*.cwasm"))
    assert not mark.exists()


def test_a_module_finds_its_arguments_and_what_this_process_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "speaker.py").write_text("import sys, edge_sdk; print(__name__, sys.argv[1:])")
    monkeypatch.syspath_prepend(str(tmp_path))
    command = child_command("speaker", "-m", "two words")
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "__main__ ['-m', 'two words']\n"

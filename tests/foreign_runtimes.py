"""Where the other runtimes of the tests live: LiteRT beside us, tflite-runtime in an environment of its own.

tflite-runtime 2.14 needs Python 3.11 or older and numpy below 2. Its environment is made once, in build/.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk.engines import FOREIGN
from tests.support import REPOSITORY, skip_loudly

ENVIRONMENT = REPOSITORY / "build" / "test-tflite-runtime"
PACKAGES = ("tflite-runtime==2.14.0", "numpy<2")


def use_runtime(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children find the runtime of an engine, or skip the test loudly."""
    if name == "tflite_runtime":
        monkeypatch.setenv(FOREIGN[name].python_variable, str(_tflite_python()))
    else:
        monkeypatch.delenv(FOREIGN[name].python_variable, raising=False)


def _tflite_python() -> Path:
    python = ENVIRONMENT / "bin" / "python"
    if (ENVIRONMENT / "ready").exists():
        return python
    old = sys.executable if sys.version_info < (3, 12) else shutil.which("python3.11") or shutil.which("python3.10")
    if old is None:
        skip_loudly("tflite-runtime needs Python 3.11 or older, and no python3.11 or python3.10 is here")
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    for command in (
        [str(old), "-m", "venv", str(ENVIRONMENT)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode:
            skip_loudly(f"tflite-runtime cannot be installed: {done.stderr.strip()[-300:]}")
    (ENVIRONMENT / "ready").touch()
    return python

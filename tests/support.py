"""What several test files share: where the real models and recordings lie, and skips that cannot go unnoticed."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
#: Real models and recordings live beside the checkout, never in it (their licences differ from ours).
SHARED = Path(os.environ.get("EDGE_TEST_SHARED", REPOSITORY.parent / "shared"))


def skip_loudly(reason: str) -> None:
    """Skip the test, with a warning in the summary; fail instead when EDGE_TEST_NO_SKIP is set."""
    if os.environ.get("EDGE_TEST_NO_SKIP"):
        pytest.fail(f"may not be skipped here: {reason}")
    warnings.warn(f"SKIPPED: {reason}", stacklevel=2)
    pytest.skip(reason)


def require_shared(relative: str = "models") -> Path:
    """Return SHARED / relative, or skip loudly when it is not there."""
    path = SHARED / relative
    if not path.exists():
        skip_loudly(f"{path} is absent: put the real models and recordings there to run this test")
    return path


def require_tool(name: str, package: str) -> str:
    """Return the path of an executable, or skip loudly and name the Debian package."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        skip_loudly(f"{name} is not installed; try: apt-get install {package}")
    assert found is not None
    return found


@functools.cache
def preloadable(source: Path) -> Path:
    """Return a library for LD_PRELOAD, compiled once for this process and removed at its end."""
    compiler = require_tool("gcc", "gcc libc6-dev")
    _FOLDERS.append(tempfile.TemporaryDirectory(prefix="edge-preload-"))
    out = Path(_FOLDERS[-1].name) / f"{source.stem}.so"
    flags = ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared")
    done = subprocess.run([compiler, *flags, "-o", out, source, "-ldl"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []

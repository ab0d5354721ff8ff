"""The wheels a bundle for the target carries: ours, built from the tree as it is now, and what it needs from PyPI.

    build/test-wheelhouse/
        deps-KEY/        downloaded once for each list of requirements and Python of the target
        site-KEY/        ours and links to those; KEY is made of every file that goes into our wheel

A build where only Python changed takes a second: CMake has nothing to do in its own folder below build/.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support import skip_loudly
from tests.target.disk import PYTHON
from tests.target.gateway import REPOSITORY

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = REPOSITORY / "build/test-wheelhouse"
SOURCES = ("CMakeLists.txt", "LICENSE", "README.md", "boards", "firmware_tools", "kernels", "pyproject.toml", "sdk")
#: Newest glibc tags last; pip takes a wheel for any of them.
GLIBC_TAGS = ("manylinux1", "manylinux2010", "manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 36)))
KEPT_S = 86400.0


@cache
def wheelhouse() -> Path:
    """Return a folder with every wheel that `edge-sdk run` and the device's side need on the target."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:  # CMake's folder takes one build at a time
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _wheelhouse()


def _wheelhouse() -> Path:
    dependencies = _dependencies()
    folder = FOLDER / f"site-{_key(dependencies.name, *_sources())}"
    if not folder.is_dir():
        part = folder.with_suffix(f".part-{os.getpid()}")
        part.mkdir(parents=True)
        for wheel in [*dependencies.glob("*.whl"), _build(part / "own")]:
            os.link(wheel, part / wheel.name)
        shutil.rmtree(part / "own")
        _appear(part, folder)
    _forget("site-*", folder)
    return folder


def _build(folder: Path) -> Path:
    """Return our wheel, built as `pip install` would."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    settings = ["--config-settings", f"build-dir={FOLDER / 'cmake'}"]
    _pip([*command, *settings, str(REPOSITORY)])
    (wheel,) = folder.glob("edge_sdk-*.whl")
    return wheel


def _dependencies() -> Path:
    needed = _requirements()
    version = _target_python()
    folder = FOLDER / f"deps-{_key(version, platform.machine(), *(one.encode() for one in needed))}"
    if not folder.is_dir():
        part = folder.with_suffix(f".part-{os.getpid()}")
        part.mkdir(parents=True)
        tags = [word for tag in GLIBC_TAGS for word in ("--platform", f"{tag}_{platform.machine()}")]
        target = ["--implementation", "cp", "--python-version", version, "--only-binary", ":all:", *tags]
        try:
            _pip([sys.executable, "-m", "pip", "download", "--quiet", "-d", str(part), *target, *needed])
        except AssertionError as fault:
            shutil.rmtree(part)
            skip_loudly(f"the wheels for the target cannot be downloaded: {str(fault)[-500:]}")
        _appear(part, folder)
    _forget("deps-*", folder)
    return folder


def _requirements() -> list[str]:
    """Return what our wheel and its extra `flash` ask for; markers are for another Python than ours."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["flash"]]
    older = tuple(map(int, _target_python().split("."))) < (3, 11)
    return [one.split(";")[0].strip() for one in wanted if ";" not in one or older]


@cache
def _target_python() -> str:
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def _sources() -> Iterator[bytes]:
    for top in SOURCES:
        path = REPOSITORY / top
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(REPOSITORY)).encode()
                yield hashlib.sha256(file.read_bytes()).digest()


def _key(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.hexdigest()[:16]


def _appear(part: Path, folder: Path) -> None:
    """Give a finished folder its name; another run may have been first."""
    try:
        part.rename(folder)
    except OSError:
        shutil.rmtree(part)
        assert folder.is_dir()


def _forget(pattern: str, used: Path) -> None:
    """Remove what nobody has used for a while; a campaign uses one folder for hours."""
    os.utime(used)
    for old in FOLDER.glob(pattern):
        if old.stat().st_mtime < time.time() - KEPT_S:
            shutil.rmtree(old, ignore_errors=True)


def _pip(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)
    assert done.returncode == 0, f"{' '.join(command[:6])}: {done.returncode}\n{done.stdout}{done.stderr}"

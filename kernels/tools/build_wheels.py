"""Build the x86-64 and the aarch64 wheel on this machine, with true manylinux tags. Run by `make wheels`.

    python kernels/tools/build_wheels.py dist

The tag is checked, not claimed: `auditwheel show` reads the glibc symbols of the extension and must agree.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: The oldest glibc the wheels run on; zig links against exactly that one.
GLIBC = (2, 17)
ARCHITECTURES = ("x86_64", "aarch64")


def build(architecture: str, folder: Path) -> Path:
    """Build one wheel into `folder` and return its path, tagged manylinux."""
    glibc = ".".join(map(str, GLIBC))
    environment = os.environ | {
        "EDGE_ZIG_TARGET": f"{architecture}-linux-gnu.{glibc}",
        "_PYTHON_HOST_PLATFORM": f"linux-{architecture}",
    }
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "."]
    subprocess.run(command, check=True, env=environment)
    (plain,) = folder.glob(f"edge_sdk-*-linux_{architecture}.whl")
    tag = f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{architecture}"
    retag = [sys.executable, "-m", "wheel", "tags", "--remove", "--platform-tag", tag, str(plain)]
    subprocess.run(retag, check=True, capture_output=True)
    (tagged,) = folder.glob(f"edge_sdk-*-{tag}.whl")
    return tagged


def check(wheel: Path) -> None:
    """Stop unless auditwheel finds the wheel consistent with its own tag."""
    done = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(wheel)], check=True, capture_output=True, text=True
    )
    tag = wheel.stem.split("-")[-1]
    said = " ".join(done.stdout.split())
    if f'consistent with the following platform tag: "{tag}"' not in said:
        raise SystemExit(f"{wheel.name}: auditwheel disagrees with the tag:\n{done.stdout}")
    print(f"{wheel.name}: {wheel.stat().st_size / 1024:.0f} KiB, auditwheel agrees with {tag}")


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for old in folder.glob("edge_sdk-*.whl"):
        old.unlink()
    for architecture in ARCHITECTURES:
        check(build(architecture, folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The application that the tests put on targets: a replayed vibration, a spectrum, a small model, results on stdout.

    app = project()                          # built once, by the real `edge-sdk bundle`
    old, new = app.release("1.0.0"), app.release("2.0.0")

Releases are made from the built one by packing it again: another version, other bytes in every file, wheels or none,
and, for the ones that must fail, a line more in our own wheel.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firmware_tools.sign import BUNDLE, PrivateKey, generate, load_private, seal
from tests.hostile.cli_process import program
from tests.support import REPOSITORY
from tests.target.checker import Unsealed
from tests.unit.compiler.tflite_writer import TfliteWriter, fully_connected_options

NAME = "line"
RATE_HZ = 8000
PIPELINE = f"""\
name = "{NAME}"

[health]
gate_s = 20
hold_s = 1

[sources.accel]
type = "replay"
file = "capture.npz"
rate_hz = {RATE_HZ}
loop = true

[[steps]]
id = "win"
use = "window"
input = "accel"
size = 1024
hop = 512
on_gap = "restart"

[[steps]]
id = "bands"
use = "spectrum"
input = "win"
bands = 64
spacing = "log"
min_hz = 15
max_hz = 1000
floor = 1e-6

[[steps]]
id = "score"
use = "model"
input = "bands"
model = "score.tflite"

[[sinks]]
type = "stdout"
input = "score"
"""
#: What our own wheel does in place of running a pipeline, in a release that is not well; its self-test is not changed.
ILLNESSES = {
    "well": "pass",
    "crashes": "sys.exit(3)",
    "hangs": "while True: time.sleep(60)",
    "silent": (
        "from edge_sdk.sensors.replay import ReplaySource\n    ReplaySource.read = lambda *words: time.sleep(0.2)"
    ),
    "hungry": (
        "import threading\n    hoard = []\n"
        "    def eat():\n        while True:\n            hoard.append(bytearray(b'x') * (16 << 20))\n"
        "            time.sleep(0.02)\n"
        "    threading.Thread(target=eat, daemon=True).start()"
    ),
}
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def dense_model(seed: int, width: int = 16) -> bytes:
    """Return an int8 model of two dense layers: 64 -> width -> 4; its weights are 68 * width bytes of noise."""
    rng = np.random.default_rng(seed)
    model = TfliteWriter()

    def layer(source: int, inputs: int, outputs: int, name: str) -> int:
        weights = rng.integers(-127, 128, (outputs, inputs), np.int8)
        bias = rng.integers(-500, 500, outputs, np.int32)
        out = model.tensor(name, (1, outputs), "int8", scales=[0.1], zero_points=[3])
        parts = [
            model.constant(f"{name}.w", weights, scales=[0.01], zero_points=[0]),
            model.constant(f"{name}.b", bias, scales=[0.001], zero_points=[0]),
        ]
        model.operator("FULLY_CONNECTED", [source, *parts], [out], **fully_connected_options())
        return out

    x = model.tensor("x", (1, 64), "int8", scales=[0.1], zero_points=[0])
    y = layer(layer(x, 64, width, "hidden"), width, 4, "y")
    return model.finish([x], [y])


@dataclass(frozen=True)
class Project:
    """A folder with a project file, keys and trust; commands run in it see nothing of the user's own."""

    folder: Path

    @property
    def key(self) -> PrivateKey:
        return load_private(self.folder / "me.pem")

    @property
    def health(self) -> dict[str, Any]:
        """The `health` of the manifest of the first bundle."""
        found: dict[str, Any] = Unsealed(self.folder / "built.edgeb").manifest["health"]
        return found

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EDGE_", "XDG_", "SSH_"))}
        return kept | {"HOME": str(self.folder / "home"), "EDGE_SDK_CACHE": str(self.folder / "cache")}

    def edge(self, *argv: str | Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `edge-sdk` here and expect it to succeed."""
        done = subprocess.run(
            [program(), *argv],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"edge-sdk {' '.join(map(str, argv))}: {done.returncode}\n{done.stderr}"
        return done

    def built(self, name: str = "built", version: str = "0.0.1", **changed: str | bytes) -> Path:
        """Return the bundle of the real command, with these files of the project changed (`score__tflite=...`)."""
        for file, content in changed.items():
            path = self.folder / file.replace("__", ".")
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        out = self.folder / f"{name}.edgeb"
        self.edge("bundle", "pipeline.toml", "-o", out, "--key", "me.pem", "--version", version)
        return out

    def large_model(self, seed: int) -> Path:
        """Return a bundle whose model has 1.6 MB of weights, others for each seed."""
        out = self.folder / f"large-{seed}.edgeb"
        if out.exists():
            return out
        small = (self.folder / "score.tflite").read_bytes()
        self.built(out.stem, score__tflite=dense_model(seed, 24_000))
        (self.folder / "score.tflite").write_bytes(small)
        return out

    def release(
        self,
        version: str,
        *,
        wheels: Path | None = None,
        illness: str = "",
        base: Path | None = None,
        folder: Path | None = None,
        **fields: Any,
    ) -> Unsealed:
        """Return a signed bundle whose every file differs from those of other versions.

        Args:
            wheels: a folder of wheels to bring.
            illness: a row of ILLNESSES for our own wheel.
            base: the bundle to make it from; default the first one that was built.
            folder: for the result; default the project's.
            fields: of the manifest, changed.
        """
        plain = Unsealed(base or self.folder / "built.edgeb")
        files = {path: _marked(path, data, version) for path, data in plain.files.items() if path != "sealed.head"}
        roles = {entry["path"]: entry["role"] for entry in plain.manifest["files"]}
        found = sorted(wheels.glob("*.whl")) if wheels else []
        assert bool(found) == bool(wheels), f"{wheels} holds no wheels"
        for wheel in found:
            data = wheel.read_bytes()
            if illness and wheel.name.startswith("edge_sdk-"):
                data = ill(data, illness, version)
            files[f"wheels/{wheel.name}"] = data
            roles[f"wheels/{wheel.name}"] = "wheel"
        major, minor, patch = map(int, version.split("."))
        own = {"version": version, "counter": major * 1_000_000 + minor * 1000 + patch}
        manifest = plain.manifest | own | fields
        out = (folder or self.folder) / f"{version}{'-' + illness if illness else ''}.edgeb"
        return pack(out, manifest, files, roles, [self.key])


def memory_disk() -> Path | None:
    """Return a folder where fsync costs nothing, None where there is none: its calls are counted here, not timed."""
    shm = Path("/dev/shm")
    return shm if shm.is_dir() else None


@functools.cache
def project() -> Project:
    """Return the one project of this process, its first bundle built."""
    _FOLDERS.append(tempfile.TemporaryDirectory(prefix="edge-project-", dir=memory_disk()))
    app = Project(Path(_FOLDERS[-1].name))
    (app.folder / "home").mkdir()
    for name in ("root", "me"):
        generate(app.folder / f"{name}.pem")
    app.edge("bundle", "keys", "trust", "root.pub", "--role", "root", "--trust", "trust", "--key", "root.pem")
    app.edge("bundle", "keys", "trust", "me.pub", "--trust", "trust", "--key", "root.pem")
    (app.folder / "edge-sdk.toml").write_text('key = "me.pem"\ntrust = "trust"\n')
    rng = np.random.default_rng(3)
    np.savez(app.folder / "capture.npz", accel=rng.integers(-3000, 3000, RATE_HZ, np.int16))
    app.built(pipeline__toml=PIPELINE, score__tflite=dense_model(1))
    return app


def tiny_wheel(folder: Path) -> Path:
    """Return a folder with one wheel of three small files, for devices that have our packages anyway."""
    folder.mkdir()
    files = {"tiny/__init__.py": b"", "tiny/deep/data.bin": bytes(range(256)) * 20, "tiny/one.py": b"ONE = 1\n"}
    about = "tiny-1.0.dist-info"
    files[f"{about}/METADATA"] = b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in files.items()
    ]
    files[f"{about}/RECORD"] = "".join([*lines, f"{about}/RECORD,,\n"]).encode()
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            wheel.writestr(zipfile.ZipInfo(name), data)
    return folder


def pack(
    out: Path,
    manifest: Mapping[str, Any],
    files: Mapping[str, bytes],
    roles: Mapping[str, str],
    keys: Sequence[PrivateKey],
) -> Unsealed:
    """Write a bundle and read it back."""
    rows = [
        {"path": path, "role": roles[path], "sha256": hashlib.sha256(files[path]).hexdigest(), "size": len(files[path])}
        for path in sorted(files)
    ]
    text = json.dumps({**manifest, "files": rows}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    payload = b"".join(files[path] for path in sorted(files))
    out.write_bytes(seal(BUNDLE, text.encode(), keys, len(payload)) + payload)
    return Unsealed(out)


def ill(wheel: bytes, illness: str, version: str) -> bytes:
    """Return our wheel with something wrong in its `run`, unlike that of other versions, and a RECORD that agrees."""
    place, out = "edge_sdk/cli/main.py", io.BytesIO()
    code = (
        f'\n# {version}\nimport sys, time\nif sys.argv[1:] == ["run", "pipeline.toml"]:\n    {ILLNESSES[illness]}\n\n'
    )
    with zipfile.ZipFile(io.BytesIO(wheel)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == place:
                future = b"from __future__ import annotations\n"
                assert data.count(future) == 1
                data = data.replace(future, future + code.encode())
                changed = data
            if name.endswith("/RECORD"):
                digest = base64.urlsafe_b64encode(hashlib.sha256(changed).digest()).rstrip(b"=").decode()
                lines = [
                    f"{place},sha256={digest},{len(changed)}" if line.startswith(f"{place},") else line
                    for line in data.decode().splitlines()
                ]
                data = ("\n".join(lines) + "\n").encode()
            new.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _marked(path: str, data: bytes, version: str) -> bytes:
    """Return a file with the version in it where that changes nothing else."""
    if path.endswith((".toml", ".service", ".rules")):
        return data + f"# {version}\n".encode()
    if path.endswith(".wasm"):  # a custom section: id 0, size, name (WebAssembly core 2.0, 5.5.3)
        name, content = b"edge.release", version.encode()
        return data + bytes([0, 1 + len(name) + len(content), len(name)]) + name + content
    return data


__all__ = ["ILLNESSES", "NAME", "REPOSITORY", "Project", "dense_model", "ill", "pack", "project"]

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import msgspec
import pytest

from edge_sdk.errors import ConfigError
from firmware_tools.bundle import inspect_bundle
from firmware_tools.bundle.manifest import FileEntry
from firmware_tools.flash.wheels import Interpreter, misfit, unpacked
from firmware_tools.sign import BUNDLE, canonical, seal
from tests.unit.firmware_tools.bundles import FILES, manifest_of

PI = Interpreter((3, 11), "glibc", (2, 36), "aarch64")


@pytest.mark.parametrize(
    "tags",
    [
        "py3-none-any",
        "py2.py3-none-any",
        "py310-none-any",
        "cp311-cp311-manylinux_2_17_aarch64",
        "cp311-cp311-manylinux2014_aarch64.manylinux_2_17_aarch64",
        "cp310-abi3-manylinux_2_28_aarch64",
        "cp37-abi3-manylinux_2_36_aarch64",
        "cp311-none-manylinux_2_17_aarch64",
        "py3-none-linux_aarch64",
        "1-cp311-cp311-manylinux_2_17_aarch64",
    ],
)
def test_a_wheel_for_this_python_fits(tags: str) -> None:
    assert misfit(f"some_thing-1.0-{tags}.whl", PI) == ""


@pytest.mark.parametrize(
    ("tags", "part"),
    [
        ("cp312-cp312-manylinux_2_17_aarch64", "the target has Python 3.11"),
        ("cp310-cp310-manylinux_2_17_aarch64", "the target has Python 3.11"),
        ("cp312-abi3-manylinux_2_17_aarch64", "the target has Python 3.11"),
        ("cp312-none-any", "the target has Python 3.11"),
        ("py312-none-any", "the target has Python 3.11"),
        ("py2-none-any", "the target has Python 3.11"),
        ("pp311-pypy311_pp73-manylinux_2_17_aarch64", "the target has Python 3.11"),
        ("cp311-cp311-manylinux_2_17_x86_64", "the target is aarch64 with glibc 2.36"),
        ("cp311-cp311-manylinux_2_38_aarch64", "the target is aarch64 with glibc 2.36"),
        ("cp311-cp311-musllinux_1_2_aarch64", "the target is aarch64 with glibc 2.36"),
        ("py3-none-win_amd64", "the target is aarch64"),
        ("any", "no wheel's name"),
    ],
)
def test_a_wheel_for_another_python_does_not(tags: str, part: str) -> None:
    assert part in misfit(f"some_thing-1.0-{tags}.whl", PI)


def test_a_c_library_of_unknown_version_is_given_the_benefit_of_the_doubt() -> None:
    assert misfit("a-1-cp311-cp311-manylinux_2_17_aarch64.whl", Interpreter((3, 11), "glibc", (), "aarch64")) == ""


def wheel(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def bundle_with(path: Path, data: bytes) -> Path:
    contents = {**FILES, "wheels/a-1-py3-none-any.whl": data}
    plain = manifest_of(contents)
    entries = [msgspec.structs.replace(one, role="wheel") if one.path.endswith(".whl") else one for one in plain.files]
    payload = b"".join(contents[entry.path] for entry in entries)
    manifest = msgspec.structs.replace(plain, files=tuple(entries))
    path.write_bytes(seal(BUNDLE, canonical.encode(manifest), [], len(payload)) + payload)
    return path


def wheels_of(files: tuple[FileEntry, ...]) -> list[FileEntry]:
    return [entry for entry in files if entry.role == "wheel"]


def test_the_unpacked_size_is_read_inside_the_bundle(tmp_path: Path) -> None:
    path = bundle_with(tmp_path / "a.edgeb", wheel({"a/__init__.py": b"x" * 5000, "a/b.py": b"y"}))
    with inspect_bundle(path) as bundle:
        assert unpacked(bundle, wheels_of(bundle.manifest.files)) == (2, 5001)
        assert unpacked(bundle, []) == (0, 0)


def test_a_wheel_that_is_no_archive_is_named(tmp_path: Path) -> None:
    path = bundle_with(tmp_path / "a.edgeb", b"PK no")
    with inspect_bundle(path) as bundle, pytest.raises(ConfigError, match=r"wheels/a-1-py3-none-any\.whl: is no wheel"):
        unpacked(bundle, wheels_of(bundle.manifest.files))

from __future__ import annotations

import contextlib
import io
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edge_sdk.errors import VerificationError
from firmware_tools.update import unpacked
from firmware_tools.update.layout import Layout
from firmware_tools.update.site import read_index, site_id, verify_site
from firmware_tools.update.unpacked import Refused, is_whole, make_site
from tests.unit.firmware_tools.flash.targets import add_wheel, sha256_of, wheel_bytes

NAME = "pure-1-py3-none-any.whl"


def make(root: Path, *wheels: tuple[str, str]) -> Path:
    layout = Layout(root)
    layout.sites.mkdir(parents=True, exist_ok=True)
    site = site_id(wheels)
    make_site(str(layout.sites), str(layout.store), site, wheels)
    return layout.sites / site


def make_one(root: Path, data: bytes) -> Path:
    return make(root, add_wheel(Layout(root).store, NAME, data))


def refusal(root: Path, data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        make_one(root, data)
    assert list(Layout(root).sites.iterdir()) == [], "nothing may appear"
    return caught.value


def archive(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as zipped:
        for info, data in entries:
            zipped.writestr(info, data)
    return memory.getvalue()


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("placeholder")
    info.filename, info.external_attr, info.compress_type = name, mode << 16, zipfile.ZIP_DEFLATED
    return info


def test_a_site_holds_every_file_and_says_what_it_is_made_of(tmp_path: Path) -> None:
    store = Layout(tmp_path).store
    one = add_wheel(
        store,
        "native-1-cp310-abi3-linux_x86_64.whl",
        wheel_bytes({"native/_n.so": b"\x7fELF", "native-1.dist-info/RECORD": ""}, executable=["native/_n.so"]),
    )
    other = add_wheel(store, NAME, wheel_bytes({"pure/__init__.py": "x = 1", "pure/data/é.txt": "y"}))
    folder = make(tmp_path, one, other)
    index = read_index(Layout(tmp_path), folder.name)
    assert index.wheels == dict([one, other])
    assert index.files["pure/__init__.py"] == sha256_of(b"x = 1")
    assert sorted(index.files) == [
        "native-1.dist-info/RECORD",
        "native/_n.so",
        "pure/__init__.py",
        "pure/data/é.txt",
    ]
    assert verify_site(Layout(tmp_path), folder.name) == (4, 10)
    assert stat.S_IMODE((folder / "native/_n.so").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "pure/__init__.py").stat().st_mode) == 0o644
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((folder / "pure").stat().st_mode) == 0o755


def test_of_data_only_what_python_imports_is_taken(tmp_path: Path) -> None:
    files = {
        "pure-1.data/purelib/a/x.py": "a",
        "pure-1.data/platlib/b.py": "b",
        "pure-1.data/scripts/tool": "c",
        "pure-1.data/headers/h.h": "d",
        "pure-1.data/data/share/e": "e",
    }
    folder = make_one(tmp_path, wheel_bytes(files))
    assert sorted(read_index(Layout(tmp_path), folder.name).files) == ["a/x.py", "b.py"]
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b.py", "wheels.json"]


def test_a_whole_site_is_left_alone_and_a_damaged_one_made_again(tmp_path: Path) -> None:
    data = wheel_bytes({"pure.py": "x = 1"})
    folder = make_one(tmp_path, data)
    before = (folder / "pure.py").stat().st_ino
    assert (make_one(tmp_path, data) / "pure.py").stat().st_ino == before
    (folder / "pure.py").write_text("x = 2")
    assert not is_whole(str(folder), [(NAME, sha256_of(data))])
    make_one(tmp_path, data)
    assert (folder / "pure.py").read_text() == "x = 1"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_earlier_tries_left_is_removed(tmp_path: Path) -> None:
    (Layout(tmp_path).sites / ".part-0123456789abcdef-x/deep").mkdir(parents=True)
    folder = make_one(tmp_path, wheel_bytes({"pure.py": ""}))
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_disk_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(unpacked, "_sync", fail)
    with pytest.raises(OSError, match="Input/output"):
        make_one(tmp_path, wheel_bytes({"pure.py": ""}))
    assert list(Layout(tmp_path).sites.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../up.py", "a/../../up.py", "a//b.py", "./a.py", "a/./b.py", "a\\b.py", "C:\\x"),
        *("a\nb.py", "a\x7f.py", "a\u202eb.py", "x" * 256, "d/" * 40 + "x", "pure-1.data/purelib/../../x"),
        *("pure-1.data/other/x", "pure-1.data/x", "wheels.json", "WHEELS.JSON", "wheels.json/x"),
    ],
)
def test_names_that_lead_elsewhere_or_have_no_place_are_refused(tmp_path: Path, name: str) -> None:
    refused = refusal(tmp_path, archive((entry(name), b"x")))
    assert refused.kind == "ConfigError"
    assert not (tmp_path.parent / "up.py").exists()


def test_a_name_with_a_null_in_it_is_refused(tmp_path: Path) -> None:
    data = archive((entry("abcXdef.py"), b"x")).replace(b"abcXdef.py", b"abc\0def.py")
    assert "control character" in refusal(tmp_path, data).message


@pytest.mark.parametrize(
    ("mode", "word"),
    [(stat.S_IFLNK | 0o777, "link"), (stat.S_IFIFO | 0o644, "stranger"), (stat.S_IFBLK | 0o644, "stranger")],
)
def test_links_and_devices_are_refused(tmp_path: Path, mode: int, word: str) -> None:
    assert word in refusal(tmp_path, archive((entry("pure/x.py", mode), b"/etc/passwd"))).message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a/x.py", "a/x.py"),
        ("a/x.py", "a/X.py"),
        ("a/x.py", "A/y.py"),
        ("a/é.py", "a/e\u0301.py"),
        ("a", "a/x.py"),
        ("A", "a/x.py"),
        ("x.py", "pure-1.data/purelib/x.py"),
        ("straße.py", "STRASSE.py"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_files_that_are_one_somewhere_are_refused(tmp_path: Path, first: str, second: str) -> None:
    refusal(tmp_path, archive((entry(first), b"1"), (entry(second), b"2")))


def test_two_wheels_with_one_file_are_refused(tmp_path: Path) -> None:
    store = Layout(tmp_path).store
    one = add_wheel(store, "a-1-py3-none-any.whl", wheel_bytes({"x.py": "1"}))
    other = add_wheel(store, "b-1-py3-none-any.whl", wheel_bytes({"x.py": "2"}))
    with pytest.raises(Refused, match=r"which are one file"):
        make(tmp_path, one, other)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    assert "no honest wheel" in refusal(tmp_path, archive((entry("zeros"), bytes(64 << 20)))).message


def test_what_is_claimed_to_be_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "MOST_SITE_BYTES", 100)
    assert "at most 100 are taken" in refusal(tmp_path, archive((entry("x"), bytes(101)))).message
    monkeypatch.setattr(unpacked, "MOST_FILES", 1)
    assert "at most 1 " in refusal(tmp_path, archive((entry("x"), b""), (entry("y"), b""))).message


@pytest.mark.parametrize("claimed", [10, 1000, 1 << 20])
def test_an_entry_that_lies_about_its_size_is_refused(tmp_path: Path, claimed: int) -> None:
    """The size in both headers is another one than the data have."""
    real, data = 500, archive((entry("x.py"), b"A" * 500))
    assert data.count(struct.pack("<I", real)) == 2
    refused = refusal(tmp_path, data.replace(struct.pack("<I", real), struct.pack("<I", claimed)))
    assert refused.kind == "ConfigError"


def test_overlapping_entries_are_refused(tmp_path: Path) -> None:
    """Two names for the same packed bytes, as the densest bombs have."""
    data = archive((entry("aaaa.py"), b"x" * 50), (entry("bbbb.py"), b"y" * 50))
    second = data.rfind(b"PK\x01\x02")
    refusal(tmp_path, data[: second + 42] + struct.pack("<I", 0) + data[second + 46 :])


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_packings_are_refused(tmp_path: Path, method: int) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", method) as zipped:
        zipped.writestr("x.py", b"x" * 100)
    assert "packed by method" in refusal(tmp_path, memory.getvalue()).message


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    data = bytearray(archive((entry("x.py"), b"x")))
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refusal(tmp_path, bytes(data)).message


def test_a_comment_behind_the_archive_is_refused(tmp_path: Path) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as zipped:
        zipped.writestr("x.py", b"x")
        zipped.comment = b"PK\x05\x06 another end"
    assert "without a comment" in refusal(tmp_path, memory.getvalue()).message


def test_a_table_of_contents_that_is_too_long_is_refused_unread(tmp_path: Path) -> None:
    data = bytearray(archive((entry("x.py"), b"x")))
    data[-10:-6] = struct.pack("<I", 0x7FFFFFFF)
    assert "more files than a wheel may have" in refusal(tmp_path, bytes(data)).message


@pytest.mark.parametrize("data", [b"", b"PK", b"no archive at all, but long enough to look into it", bytes(1000)])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    assert refusal(tmp_path, data).kind == "ConfigError"


def test_an_archive_cut_or_flipped_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    data = wheel_bytes({"pure/__init__.py": "x = 1\n" * 20, "pure/y.py": "y"})
    damaged = [data[:end] for end in range(0, len(data), 7)]
    damaged += [data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :] for at in range(len(data))]
    for number, one in enumerate(damaged):
        root = tmp_path / str(number)
        with contextlib.suppress(Refused):
            verify_site(Layout(root), make_one(root, one).name)
            continue
        assert list(Layout(root).sites.iterdir()) == []


def test_a_wheel_that_is_damaged_in_the_store_is_thrown_away(tmp_path: Path) -> None:
    wheel = add_wheel(Layout(tmp_path).store, NAME, wheel_bytes({"pure.py": ""}))
    path = Layout(tmp_path).store / wheel[1]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Refused) as caught:
        make(tmp_path, wheel)
    assert caught.value.kind == "VerificationError"
    assert not path.exists()


def test_an_absent_wheel_is_an_answer(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        make(tmp_path, (NAME, "0" * 64))
    assert caught.value.kind == "TransferError"


@pytest.mark.parametrize(
    ("site", "wheels"),
    [
        ("0" * 16, [(NAME, "0" * 64)]),
        ("../x", [(NAME, "0" * 64)]),
        (site_id([("../x.whl", "0" * 64)]), [("../x.whl", "0" * 64)]),
        (site_id([(NAME, "../" * 21 + "x")]), [(NAME, "../" * 21 + "x")]),
        (site_id([(NAME, "0" * 64), (NAME, "1" * 64)]), [(NAME, "0" * 64), (NAME, "1" * 64)]),
    ],
)
def test_a_site_has_the_name_that_its_wheels_make(tmp_path: Path, site: str, wheels: list[tuple[str, str]]) -> None:
    with pytest.raises(Refused) as caught:
        make_site(str(tmp_path), str(tmp_path), site, wheels)
    assert caught.value.kind == "ConfigError"


def make_compiled(root: Path, files: dict[str, str | bytes]) -> Path:
    layout = Layout(root)
    wheel = add_wheel(layout.store, NAME, wheel_bytes(files))
    layout.sites.mkdir(parents=True, exist_ok=True)
    make_site(str(layout.sites), str(layout.store), site_id([wheel]), [wheel], compiled=True)
    return layout.sites / site_id([wheel])


def imported(site: Path, module: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-B", "-c", f"import sys; sys.path.insert(0, {str(site)!r}); import {module}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_compiled_modules_belong_to_the_site_and_say_where_it_is(tmp_path: Path) -> None:
    site = make_compiled(tmp_path, {"pure/__init__.py": "def f():\n    1 / 0\n", "pure/tests/t.py": "x = 1\n"})
    (compiled,) = site.glob("**/*.pyc")
    assert compiled.parent == site / "pure/__pycache__"
    assert f"pure/__pycache__/{compiled.name}" in read_index(Layout(tmp_path), site.name).files
    assert verify_site(Layout(tmp_path), site.name)[0] == 3
    (site / "pure/__init__.py").write_text("raise SystemExit('compiled again')\n")
    assert imported(site, "pure").returncode == 0, "what was compiled is not compared with its source"
    assert f'File "{site}/pure/__init__.py", line 2' in imported(site, "pure; pure.f()").stderr


def test_a_damaged_compiled_module_is_found(tmp_path: Path) -> None:
    site = make_compiled(tmp_path, {"pure.py": "x = 1\n"})
    (compiled,) = site.glob("**/*.pyc")
    data = compiled.read_bytes()
    compiled.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(VerificationError, match="is damaged"):
        verify_site(Layout(tmp_path), site.name)


def test_a_module_that_cannot_be_compiled_is_left_to_whoever_imports_it(tmp_path: Path) -> None:
    site = make_compiled(tmp_path, {"template.py": "this is no Python\n", "pure.py": "x = 1\n"})
    assert [path.name.split(".")[0] for path in site.glob("**/*.pyc")] == ["pure"]
    assert verify_site(Layout(tmp_path), site.name)[0] == 3


def test_without_a_compiler_a_site_is_made_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    site = make_compiled(tmp_path, {"pure.py": "x = 1\n"})
    assert not list(site.glob("**/*.pyc"))
    assert verify_site(Layout(tmp_path), site.name)[0] == 1

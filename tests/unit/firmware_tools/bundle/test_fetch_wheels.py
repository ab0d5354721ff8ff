from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edge_sdk.errors import DeadlineError, EdgeError, MissingExtraError, SafetyError, TransferError, UsageError
from firmware_tools.bundle.fetch_wheels import fetch_wheels, platform_tags

#: Stands in for Python with pip: notes how it was called, then does what `script` says with `dest`.
FAKE = """#!{python}
import json, os, sys, time
words = sys.argv[3:]
dest = words[words.index("--dest") + 1]
json.dump(words, open({noted!r}, "w"))
def saved(name):
    open(os.path.join(dest, name), "w").close()
    print("Saved", os.path.join(dest, name))
{script}
"""
NUMPY = "numpy-2.2.6-cp310-cp310-manylinux_2_17_aarch64.whl"
RICH = "rich-15.0.0-py3-none-any.whl"


class Pip:
    """The fake and what it was asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        self._python = sys.executable
        self.told: list[str] = []

    def does(self, script: str) -> None:
        path = self._folder / "python"
        path.write_text(FAKE.format(python=self._python, noted=str(self._folder / "words"), script=script))
        path.chmod(0o755)
        self._monkeypatch.setattr("sys.executable", str(path))

    def fetch(self, folder: Path, requirement: str = "numpy", **more: object) -> tuple[str, ...]:
        options = {"python": "3.10", "arch": "aarch64", "libc": "2.35", "deadline_s": 30.0, **more}
        return fetch_wheels(folder, requirement=requirement, say=self.told.append, **options)  # type: ignore[arg-type]

    @property
    def words(self) -> list[str]:
        found: list[str] = json.loads((self._folder / "words").read_text())
        return found


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    return Pip(tmp_path, monkeypatch)


def values(words: list[str], option: str) -> list[str]:
    return [words[index + 1] for index, word in enumerate(words) if word == option]


def test_pip_is_asked_for_the_boards_python_processor_and_library(tmp_path: Path, pip: Pip) -> None:
    pip.does(f"saved({NUMPY!r}); saved({RICH!r})")
    assert pip.fetch(tmp_path / "wheels", find_links=[tmp_path]) == (NUMPY, RICH)
    assert sorted(path.name for path in (tmp_path / "wheels").iterdir()) == [NUMPY, RICH]
    markers, words = json.loads(pip.words[0]), pip.words[1:]
    assert words[:3] == ["download", "--only-binary", ":all:"]
    assert words[-1] == "numpy"
    assert values(words, "--python-version") == ["3.10"]
    assert values(words, "--abi") == ["cp310", "abi3", "none"]
    assert values(words, "--platform") == list(platform_tags("aarch64", "2.35"))
    assert values(words, "--find-links") == [str(tmp_path)]
    assert (markers["python_version"], markers["platform_machine"]) == ("3.10", "aarch64")
    assert pip.told[1:] == [f"  {NUMPY}", f"  {RICH}"]


@pytest.mark.parametrize(("libc", "newest"), [("", 31), ("glibc-2.36", 36), ("2.36", 36)])
def test_a_library_that_is_not_known_is_an_old_one(tmp_path: Path, pip: Pip, libc: str, newest: int) -> None:
    pip.does(f"saved({NUMPY!r})")
    pip.fetch(tmp_path / "wheels", libc=libc)
    assert values(pip.words, "--platform")[0] == f"manylinux_2_{newest}_aarch64"


def test_wheels_of_an_earlier_time_go_and_other_files_stay(tmp_path: Path, pip: Pip) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("numpy-1.26.0-cp310-cp310-manylinux_2_17_aarch64.whl", "notes.txt"):
        (folder / name).touch()
    pip.does(f"saved({NUMPY!r})")
    pip.fetch(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", NUMPY]


@pytest.mark.parametrize(
    ("script", "kind", "code", "words"),
    [
        (
            "sys.exit('WARNING: Retrying: NewConnectionError(...)\\nERROR: No matching distribution found for numpy')",
            TransferError,
            7,
            "the package index cannot be reached",
        ),
        ("sys.exit('ERROR: No matching distribution found for numpy>=2')", SafetyError, 5, "numpy>=2: there is no whe"),
        ("sys.exit('x/python: No module named pip')", MissingExtraError, 13, "does not have"),
        ("raise ModuleNotFoundError(\"No module named 'pip'\")", MissingExtraError, 13, "does not have"),
        ("sys.exit('ERROR: [Errno 28] No space left on device')", TransferError, 7, "No space left on device"),
        ("sys.exit(3)", TransferError, 7, "it said nothing"),
        (f"saved({NUMPY.replace('aarch64', 'x86_64')!r})", SafetyError, 5, "does not run on aarch64"),
        ("saved('numpy-1.0.tar.gz')", EdgeError, 3, "no wheel's name"),
        (
            "print('WARNING: edge-sdk 0.1.0 does not provide the extra flash')",
            SafetyError,
            5,
            "edge-sdk 0.1.0: that wheel knows no extra flash",
        ),
    ],
)
def test_what_pip_says_becomes_our_error_and_the_folder_keeps_what_it_had(
    tmp_path: Path, pip: Pip, script: str, kind: type[EdgeError], code: int, words: str
) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / RICH).touch()
    pip.does(script)
    with pytest.raises(kind) as caught:
        pip.fetch(folder)
    assert caught.value.exit_code == code
    assert words in caught.value.message
    assert [path.name for path in folder.iterdir()] == [RICH]


def test_a_pip_that_hangs_is_ended(tmp_path: Path, pip: Pip) -> None:
    pip.does("print('Collecting numpy', flush=True); time.sleep(600)")
    with pytest.raises(DeadlineError, match=r"not done after 0\.5 s"):
        pip.fetch(tmp_path / "wheels", deadline_s=0.5)


@pytest.mark.parametrize("requirement", ["", "edge-sdk[flash]", "edge-sdk[flash]==0.1.0"])
def test_edge_sdk_itself_is_a_file_of_this_machine_and_never_asked_of_an_index(
    tmp_path: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch, requirement: str
) -> None:
    monkeypatch.setattr("firmware_tools.bundle.fetch_wheels.metadata.version", lambda name: "0.1.0")
    monkeypatch.setattr("firmware_tools.bundle.fetch_wheels.differing_files", lambda wheel: 2)
    wheel = tmp_path / "edge_sdk-0.1.0-cp310-abi3-manylinux_2_17_aarch64.whl"
    wheel.touch()
    pip.does(f"saved({NUMPY!r})")
    pip.fetch(tmp_path / "wheels", requirement, find_links=[tmp_path])
    assert pip.words[-1] == f"{wheel}[flash]"
    assert "another build than what runs here (2 files differ)" in pip.told[0]


def test_without_a_wheel_of_edge_sdk_nothing_is_fetched(tmp_path: Path, pip: Pip) -> None:
    pip.does("sys.exit(1)")
    with pytest.raises(SafetyError, match=r"no wheel of edge-sdk 99\.0 for aarch64"):
        pip.fetch(tmp_path / "wheels", "edge-sdk[flash]==99.0")
    assert not (tmp_path / "words").exists()


def test_a_glibc_takes_the_tags_of_all_before_it_under_both_names() -> None:
    tags = platform_tags("x86_64", "glibc 2.17")
    assert tags[:2] == ("manylinux_2_17_x86_64", "manylinux2014_x86_64")
    assert "manylinux1_x86_64" in tags
    assert "manylinux_2_18_x86_64" not in tags
    assert platform_tags("aarch64", "2.18") == (
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    )


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"python": "3.9"}, UsageError),
        ({"python": "2.7"}, UsageError),
        ({"python": "3"}, UsageError),
        ({"arch": "armv7l"}, UsageError),
        ({"libc": "new"}, UsageError),
        ({"libc": "musl 1.2"}, SafetyError),
        ({"libc": "2.5"}, SafetyError),
    ],
)
def test_a_board_that_cannot_be_is_refused_before_pip(
    tmp_path: Path, pip: Pip, change: dict[str, str], kind: type[EdgeError]
) -> None:
    pip.does("sys.exit(1)")
    with pytest.raises(kind):
        pip.fetch(tmp_path / "wheels", **change)
    assert not (tmp_path / "words").exists()

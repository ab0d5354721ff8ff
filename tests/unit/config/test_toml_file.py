from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.config import FromEnvironment, Secret, read_toml
from edge_sdk.errors import AccessDeniedError, ConfigError, EdgeError, TargetNotFoundError


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "p.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = 1\nb =\n", ["not valid TOML", "line 2", "column 4"]),
        ("a = 1\na = 2\n", ["not valid TOML", "line 2"]),
        ('a = "${env:NOT_SET}"\n', ["a: the environment variable NOT_SET is not set"]),
        ('[a]\nb = ["x", "${HOME}"]\n', ["a.b[1]: expected ${env:NAME} wherever"]),
        ('a = "${env:X"\n', ["a: expected ${env:NAME}"]),
        ("a = nan\n", ["a: expected a finite number"]),
        ("[[a]]\nb = inf\n", ["a[0].b: expected a finite number"]),
        (b"a = '\xff\xfe'\n", ["not UTF-8 at line 1"]),
        (b"#" * (1 << 20) + b"#", ["larger than 1 MiB"]),
        ("a = " + "[" * 5000, ["TOML"]),
        ("a = " + "9" * 5000, ["not valid TOML"]),
    ],
)
def test_a_damaged_file_is_named_with_its_place(tmp_path: Path, text: str | bytes, words: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_toml(path, {})
    assert caught.value.message.startswith(f"{path}: ")
    for word in words:
        assert word.removeprefix("TOML") in caught.value.message


def test_deep_nesting_is_refused_without_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read_toml(write(tmp_path, "a = " + "[" * 100_000), {})


def test_a_missing_file_and_a_folder_are_not_found(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path, tmp_path / "none" / "p.toml"):
        with pytest.raises(TargetNotFoundError, match=r"no such file|is a folder"):
            read_toml(path)


def test_a_forbidden_file_is_access_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)  # root, as in containers, may read everything
    with pytest.raises(AccessDeniedError, match="may not be read"):
        read_toml(tmp_path / "p.toml")


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.toml")
    with pytest.raises(TargetNotFoundError, match="no regular file"):
        read_toml(tmp_path / "p.toml")


def test_environment_values_are_filled_in_and_marked(tmp_path: Path) -> None:
    table = read_toml(write(tmp_path, 'a = "x-${env:N}-${env:N}"\nb = "plain"\n'), {"N": "7"})
    assert table == {"a": "x-7-7", "b": "plain"}
    assert isinstance(table["a"], FromEnvironment)
    assert not isinstance(table["b"], FromEnvironment)


@pytest.mark.parametrize("text", ["${hunter2}", "ab${hunter2", "${env:hunter-2}"])
def test_what_stands_in_place_of_a_name_is_never_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_toml(write(tmp_path, f'password = "{text}"\n'), {})
    assert "hunter" not in caught.value.message


def test_values_from_the_environment_are_not_expanded_again(tmp_path: Path) -> None:
    assert read_toml(write(tmp_path, 'a = "${env:A}"\n'), {"A": "${env:B}", "B": "no"}) == {"a": "${env:B}"}


@given(st.binary(max_size=300))
def test_any_bytes_give_a_table_or_our_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_bytes(data)
    with suppress(EdgeError):
        assert isinstance(read_toml(path, {}), dict)


def test_a_secret_never_shows(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("hunter2")
    logging.getLogger("edge_sdk.test").warning("%s %r", secret, [secret])
    assert f"{secret} {secret!r} {secret:>8} {[secret]}" == "*** *** *** [***]"
    assert "hunter2" not in caplog.text
    assert secret.reveal() == "hunter2"

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_sdk.cli.main import main
from tests.support import REPOSITORY

DEMO = str(REPOSITORY / "examples/demo/pipeline.toml")


@pytest.fixture(autouse=True)
def _in_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def edge(words: str) -> int:
    return main(["bundle", *words.split()])


def key_id(capsys: pytest.CaptureFixture[str], name: str) -> str:
    capsys.readouterr()
    assert edge(f"keys generate {name}.pem") == 0
    return capsys.readouterr().out.strip()


def trust(capsys: pytest.CaptureFixture[str]) -> str:
    key_id(capsys, "root")
    signer = key_id(capsys, "me")
    assert edge("keys trust --role root root.pub --trust t --key root.pem") == 0
    assert edge("keys trust me.pub --trust t --key root.pem") == 0
    return signer


def test_built_signed_shown_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    signer = trust(capsys)
    assert edge(f"-o app.edgeb {DEMO} --key me.pem --json") == 0
    built = json.loads(capsys.readouterr().out)
    assert edge("show app.edgeb --trust t --json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == built | {"trusted_signers": [signer]}
    assert edge("show app.edgeb") == 0
    assert "not checked" in capsys.readouterr().out
    key_id(capsys, "second")
    assert edge("keys trust second.pub --trust t --key root.pem") == 0
    assert edge(f"keys revoke {signer} --trust t --key root.pem") == 0
    assert edge("show app.edgeb --trust t") == 12
    assert "revoked" in capsys.readouterr().err
    assert edge("sign app.edgeb --key second.pem") == 0
    assert edge("show app.edgeb --trust t") == 0
    capsys.readouterr()
    assert edge("keys list --trust t --json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["version"], listed["revoked"]) == (4, [signer])


def test_a_passphrase_comes_from_the_environment_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORDS", "correct horse")
    assert main(["bundle", "keys", "generate", "a.pem", "--passphrase", "hunter2"]) == 2
    assert "hunter2" not in capsys.readouterr().err
    assert main(["bundle", "keys", "generate", "a.pem", "--passphrase", "${env:WORDS}"]) == 0
    assert "ENCRYPTED" in Path("a.pem").read_text()
    assert edge(f"{DEMO} -o app.edgeb --key a.pem") == 12
    assert not Path("app.edgeb").exists()
    assert edge(f"{DEMO} -o app.edgeb --key a.pem --passphrase ${{env:WORDS}}") == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("", 2),
        ("app.edgeb -o x", 2),
        (f"{DEMO}", 2),
        (f"{DEMO} -o pipeline.toml", 2),
        (f"{DEMO} -o x.edgeb --nonsense", 2),
        (f"{DEMO} -o x.edgeb --counter 0", 2),
        (f"{DEMO} -o x.edgeb --counter {2**53 + 1}", 2),
        (f"{DEMO} -o x.edgeb --rollback-floor -5", 2),
        (f"{DEMO} -o x.edgeb --unsigned --key me.pem", 2),
        (f"{DEMO} -o x.edgeb --unsigned --version 0.0.0", 3),
        ("absent.toml -o x.edgeb", 4),
        ("show absent.edgeb", 4),
        (f"show {DEMO}", 3),
        ("sign absent.edgeb", 2),
        ("keys", 2),
        ("keys list --trust absent", 4),
        ("keys trust me.pub --trust absent --key me.pem", 4),
        ("keys revoke zz --trust absent --key me.pem", 4),
        (f"{DEMO} -o no/such/folder/x.edgeb --unsigned", 7),
    ],
)
def test_each_mistake_has_its_code_and_one_error_line(
    words: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edge(words) == code
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words", ["--help", "-h", "show --help", "sign -h", "keys --help", "keys trust -h", "x.toml --help"]
)
def test_every_form_helps(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert edge(words) == 0
    assert "edge-sdk bundle" in capsys.readouterr().out

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_sdk.cli.main import main
from firmware_tools.sign import PrivateKey
from tests.unit.firmware_tools.bundles import FILES, bundle_bytes, manifest_of, new_keys, trusting


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and none of the user's own files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EDGE_BOARD", raising=False)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "root").mkdir()


@pytest.fixture
def signer(tmp_path: Path) -> PrivateKey:
    """A key that the folder `trust` believes."""
    root, me = new_keys(tmp_path, "rootkey", "me")
    trusting(tmp_path / "trust", root, me)
    return me


def write(name: str, data: bytes) -> str:
    Path(name).write_bytes(data)
    return name


def edge(words: str) -> int:
    return main(words.split())


FLASH = "flash --board sim --dir root --trust trust --yes"


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def tree(folder: str = "root") -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def test_without_a_target_everything_looked_at_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert edge("flash --board jetson") == 4
    said = capsys.readouterr().err
    for part in (
        "this machine: is no jetson",
        "hosts: none in edge-sdk.toml",
        "in recovery mode",
        "--host USER@ADDRESS",
    ):
        assert part in said


def test_configured_hosts_are_looked_at_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    hosts = '[hosts.a]\naddress = "a.invalid"\nboard = "jetson"\n[hosts.b]\naddress = "b"\nboard = "raspberrypi-5"\n'
    Path("edge-sdk.toml").write_text(hosts)
    assert edge("flash --board jetson-orin-nano") == 4
    said = capsys.readouterr().err
    assert "host a (a.invalid): cannot be reached: " in said
    assert "host b (b): configured as raspberrypi-5" in said


def test_a_bundle_goes_into_a_folder_step_by_step(signer: PrivateKey, capsys: pytest.CaptureFixture[str]) -> None:
    app = write("app.edgeb", bundle_bytes([signer]))
    assert edge(f"{FLASH} --json --dry-run {app}") == 0
    (shown,) = events(capsys)
    assert tree() == []
    assert edge(f"{FLASH} --json {app}") == 0
    lines = events(capsys)
    plan = next(line for line in lines if line["event"] == "plan")
    assert plan == shown
    assert [line["step"] for line in lines if line["event"] == "end"] == [step["id"] for step in plan["steps"]]
    assert lines[-1]["event"] == "result"
    assert lines[-1]["outcome"] == "waiting for a boot"
    slot = Path("root/opt/edge-sdk/apps/app/slots") / lines[-1]["slot"]
    assert Path("root/opt/edge-sdk/apps/app/current").resolve() == slot.resolve()
    assert {path: (slot / path).read_bytes() for path in FILES} == FILES


def test_an_update_sends_only_what_changed(signer: PrivateKey, capsys: pytest.CaptureFixture[str]) -> None:
    assert edge(f"{FLASH} {write('a.edgeb', bundle_bytes([signer]))}") == 0
    assert edge("status --dir root --confirm") == 0
    changed = {**FILES, "pipeline.toml": b'name = "app" # more\n'}
    capsys.readouterr()
    update = write("b.edgeb", bundle_bytes([signer], changed, version="1.1.0", counter=11))
    assert edge(f"{FLASH} --json {update}") == 0
    assert events(capsys)[-1]["bytes_sent"] == len(changed["pipeline.toml"])
    assert edge("status --dir root --confirm --json") == 0
    (app,) = json.loads(capsys.readouterr().out)["apps"]
    assert (app["confirmed"]["version"], app["previous"]["version"]) == ("1.1.0", "1.0.0")
    assert edge("flash --board sim --dir root --rollback --yes --json") == 0
    assert events(capsys)[-1]["version"] == "1.0.0"


def test_a_bundle_that_must_not_be_installed_changes_nothing(
    signer: PrivateKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (other,) = new_keys(tmp_path, "other")
    good = bundle_bytes([signer])
    needs = manifest_of(FILES).requires

    def made_for(**changes: Any) -> bytes:
        return bundle_bytes([signer], requires=msgspec.structs.replace(needs, **changes))

    cases = {
        "wrong key": (bundle_bytes([other]), 12),
        "unsigned": (bundle_bytes([]), 12),
        "cut short": (good[:-1], 3),
        "no bundle": (b"hello", 3),
        "damaged": (good[:-1] + bytes([good[-1] ^ 1]), 8),
        "another board": (made_for(boards=("raspberrypi-5",)), 5),
        "another processor": (made_for(arch="aarch64"), 5),
        "another edge-sdk": (made_for(sdk=msgspec.structs.replace(needs.sdk, least="7.0.0", below="8.0.0")), 5),
    }
    for name, (data, code) in cases.items():
        assert edge(f"{FLASH} --json {write('bad.edgeb', data)}") == code, name
        last = events(capsys)[-1]
        assert (last["event"], last["outcome"], last["exit_code"]) == ("result", "failed", code), name
        assert tree() == [], name


def test_an_older_bundle_is_refused_by_the_device_before_it_is_sent(signer: PrivateKey) -> None:
    assert edge(f"{FLASH} {write('a.edgeb', bundle_bytes([signer]))}") == 0
    assert edge("status --dir root --confirm") == 0
    before = tree()
    older = write("b.edgeb", bundle_bytes([signer], version="0.9.0", counter=9))
    assert edge(f"{FLASH} {older}") == 12
    assert tree() == before
    assert edge(f"{FLASH} {older} --allow-downgrade") == 0


def test_a_device_that_knows_nobody_must_be_told(signer: PrivateKey, capsys: pytest.CaptureFixture[str]) -> None:
    app = write("app.edgeb", bundle_bytes([signer]))
    assert edge(f"flash --board sim --dir root --yes {app}") == 12
    assert "knows nobody it could believe yet" in capsys.readouterr().err
    assert tree() == []
    Path("edge-sdk.toml").write_text('trust = "trust"\n')
    assert edge(f"flash --board sim --dir root --yes {app}") == 0


def test_trust_of_the_users_own_is_found(signer: PrivateKey, tmp_path: Path) -> None:
    (tmp_path / "home/.config/edge-sdk").mkdir(parents=True)
    Path("trust").rename(tmp_path / "home/.config/edge-sdk/trust")
    assert edge(f"flash --board sim --dir root --yes {write('app.edgeb', bundle_bytes([signer]))}") == 0


def test_trust_of_the_users_own_is_for_new_devices_only(signer: PrivateKey, tmp_path: Path) -> None:
    app = write("app.edgeb", bundle_bytes([signer]))
    other_root, other = new_keys(tmp_path, "otherroot", "other")
    (tmp_path / "home/.config/edge-sdk").mkdir(parents=True)
    trusting(tmp_path / "home/.config/edge-sdk/trust", other_root, other)
    assert edge(f"flash --board sim --dir root --yes {app}") == 12
    assert tree() == []
    assert edge(f"{FLASH} {app}") == 0
    assert edge(f"flash --board sim --dir root --yes {app}") == 0


def test_nobody_at_a_terminal_says_no(signer: PrivateKey, capsys: pytest.CaptureFixture[str]) -> None:
    app = write("app.edgeb", bundle_bytes([signer]))
    assert edge(f"{FLASH.removesuffix(' --yes')} {app}") == 2
    assert "--yes" in capsys.readouterr().err
    assert tree() == []


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--dir root --host x", "expected one target"),
        ("--dir= app.edgeb", "--dir: expected a target, got nothing"),
        ("--host= app.edgeb", "--host: expected a target, got nothing"),
        ("--dir root --port 22 app.edgeb", "--port: is for ssh, not for --dir"),
        ("--local --ssh-config x app.edgeb", "--ssh-config: is for ssh, not for --local"),
        ("--dir root --rollback --gate 9", "--gate: is for what is installed"),
        ("--dir root --rollback --allow-downgrade", "--allow-downgrade: is for what is installed"),
        ("--dir root --rollback app.edgeb", "takes no file"),
        ("--dir root app.edgeb --version 1.0.0", "--version: is for what is built here"),
        ("--dir root app.edgeb --wheelhouse w", "--wheelhouse: is for what is built here"),
        ("--dir root --gate 0 app.edgeb", "expected 1 to 3600 seconds"),
        ("--host -oProxyCommand=x app.edgeb", "expected"),
        ("--dir root", "expected a bundle or a pipeline"),
        ("--dir root --name other app.edgeb", "is app, not other"),
    ],
)
def test_words_that_mean_nothing_are_refused(
    signer: PrivateKey, words: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("app.edgeb", bundle_bytes([signer]))
    assert edge(f"flash {words}") == 2
    assert part in capsys.readouterr().err
    assert tree() == []


def test_a_project_is_built_signed_and_flashed_and_again_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert edge("init demo") == 0
    os.chdir("demo")
    project = Path("edge-sdk.toml")
    lines = [line for line in project.read_text().splitlines() if not line.startswith(("key", "trust"))]
    project.write_text("\n".join(lines))  # so that the user's own keys are made
    Path("root").mkdir()
    flash = "flash --board sim --dir root --yes --json"
    capsys.readouterr()
    assert edge(flash) == 0
    first = events(capsys)[-1]
    assert edge("status --dir root --confirm") == 0
    capsys.readouterr()
    assert edge(flash) == 0
    assert events(capsys)[-1]["slot"] == first["slot"]
    pipeline = Path("pipeline.toml")
    pipeline.write_text(pipeline.read_text().replace("hop = 2048", "hop = 1024"))
    assert edge(flash) == 0
    second = events(capsys)[-1]
    assert second["slot"] != first["slot"]
    assert edge("status --dir root --json") == 0
    (app,) = json.loads(capsys.readouterr().out)["apps"]
    assert app["trial"]["counter"] == app["confirmed"]["counter"] + 1

from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.config.project import find_project, known_hosts, read_project, user_hosts_file
from edge_sdk.errors import ConfigError, EdgeError, TargetNotFoundError

PROJECT = """
pipeline = "line/pipeline.toml"
version = "1.2.0"
key = "keys/me.pem"
trust = "/etc/trust"

[hosts.press-7]
address = "root@10.0.0.7"
board = "jetson"
port = 2222
ssh_config = "ssh.conf"
sudo = false
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_project_is_found_from_a_folder_below_it(tmp_path: Path) -> None:
    write(tmp_path / "edge-sdk.toml", PROJECT)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    found = find_project(below)
    assert found is not None
    assert found.folder == tmp_path
    assert found.path(found.project.pipeline) == tmp_path / "line/pipeline.toml"
    assert found.path(found.project.trust) == Path("/etc/trust")
    assert found.path(found.project.wheelhouse) is None


def test_the_nearest_project_wins(tmp_path: Path) -> None:
    write(tmp_path / "edge-sdk.toml", PROJECT)
    write(tmp_path / "in" / "edge-sdk.toml", 'version = "9.0.0"')
    found = find_project(tmp_path / "in")
    assert found is not None
    assert found.project.version == "9.0.0"


def test_an_empty_file_is_a_project_with_defaults(tmp_path: Path) -> None:
    project = read_project(write(tmp_path / "edge-sdk.toml", "")).project
    assert (project.pipeline, project.version, project.key, project.trust) == ("pipeline.toml", "0.0.1", "", "")


def test_hosts_of_the_project_win_over_the_users_own(tmp_path: Path) -> None:
    project = read_project(write(tmp_path / "edge-sdk.toml", PROJECT))
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    mine = '[hosts.press-7]\naddress = "other"\n[hosts.desk]\naddress = "desk"\nssh_config = "desk.conf"\n'
    write(user_hosts_file(environment), mine)
    hosts = known_hosts(project, environment)
    assert hosts["press-7"].address == "root@10.0.0.7"
    assert hosts["press-7"].ssh_config == str(tmp_path / "ssh.conf")
    assert not hosts["press-7"].sudo
    assert hosts["desk"].ssh_config == str(tmp_path / "config/edge-sdk/desk.conf")
    assert hosts["desk"].sudo


def test_without_files_there_are_no_hosts(tmp_path: Path) -> None:
    assert known_hosts(None, {"HOME": str(tmp_path)}) == {}
    assert user_hosts_file({"HOME": "/home/me"}) == Path("/home/me/.config/edge-sdk/hosts.toml")
    assert user_hosts_file({"HOME": "/home/me", "XDG_CONFIG_HOME": "relative"}) == Path(
        "/home/me/.config/edge-sdk/hosts.toml"
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("pipelin = 'x'", "pipelin: unknown key; did you mean 'pipeline'?"),
        ("version = '1.2'", "version: "),
        ("[hosts.x]\nboard = 'sim'", "hosts.x.address: this key is missing"),
        ("[hosts.x]\naddress = '-oProxyCommand=sh'", "hosts.x.address: "),
        ("[hosts.x]\naddress = 'a b'", "hosts.x.address: "),
        ("[hosts.x]\naddress = 'a'\nport = 70000", "hosts.x.port: "),
        ("[hosts.'../x']\naddress = 'a'", "hosts"),
        ("[hosts.x]\naddress = 'a'\nuser = 'b'", "hosts.x.user: unknown key"),
        ("hosts = 3", "hosts: expected a table"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, text: str, part: str) -> None:
    path = write(tmp_path / "edge-sdk.toml", text)
    with pytest.raises(ConfigError) as caught:
        read_project(path)
    assert caught.value.message.startswith(f"{path}: {part}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetNotFoundError, match="no such file"):
        read_project(tmp_path / "edge-sdk.toml")


def test_a_path_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    project = read_project(write(tmp_path / "edge-sdk.toml", 'key = "a\\u0000b"'))
    with pytest.raises(EdgeError, match="no path holds a NUL"):
        project.path(project.project.key)

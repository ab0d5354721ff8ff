from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edge_sdk.config import FromEnvironment, Where, decode
from edge_sdk.errors import ConfigError, EdgeError, TargetNotFoundError
from edge_sdk.publish.mqtt_settings import MqttOptions, Settings, settings_of


def settings(folder: Path, *, sink: int = 0, **options: object) -> Settings:
    where = Where(folder / "p.toml", f"sinks[{sink}]")
    decoded = decode({"url": "mqtt://127.0.0.1", **options}, MqttOptions, where)
    return settings_of(decoded, where, "press-7", "gw-3")


@pytest.mark.parametrize(
    ("url", "host", "port", "address"),
    [
        ("mqtt://broker", "broker", 1883, "mqtt://broker:1883"),
        ("mqtts://broker", "broker", 8883, "mqtts://broker:8883"),
        ("mqtt://10.0.0.1:1884/", "10.0.0.1", 1884, "mqtt://10.0.0.1:1884"),
        ("mqtt://[::1]:1", "::1", 1, "mqtt://[::1]:1"),
    ],
)
def test_urls_give_host_and_port(tmp_path: Path, url: str, host: str, port: int, address: str) -> None:
    found = settings(tmp_path, url=url)
    assert (found.host, found.port, found.address) == (host, port, address)
    assert (found.tls is not None) == url.startswith("mqtts")


def test_topics_are_filled_in_up_to_the_step(tmp_path: Path) -> None:
    found = settings(tmp_path, topic="plant/{name}/{step}")
    assert (found.topic, found.status_topic) == ("plant/press-7/{step}", "edge/gw-3/press-7/status")
    found = settings(tmp_path, topic_prefix="a/{device}")
    assert (found.topic, found.status_topic) == ("a/gw-3/{step}", "a/gw-3/status")


def test_each_sink_of_a_pipeline_is_a_client_of_its_own(tmp_path: Path) -> None:
    assert settings(tmp_path).client_id == "edge-gw-3-press-7"
    assert settings(tmp_path, sink=12).client_id == "edge-gw-3-press-7:12"
    assert settings(tmp_path, sink=12, client_id="mine").client_id == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "http://x"}, "url: expected a URL that begins with mqtt:// or mqtts://"),
        ({"url": "mqtt://"}, "url: expected mqtt://host:port"),
        ({"url": "mqtt://x:99999"}, "url: expected mqtt://host:port"),
        ({"url": "mqtt://x:0"}, "url: expected a port from 1 to 65535"),
        ({"url": "mqtt://x/path"}, "url: expected mqtt://host:port or mqtts://host:port, and nothing after"),
        ({"url": "mqtt://me:hunter2@x"}, "url: a URL holds no user name and password"),
        ({"url": "mqtt://me:hunter2@x:port"}, "url: expected mqtt://host:port"),
        ({"topic": "a/{nmae}"}, "topic: unknown field {nmae}; did you mean 'name'?"),
        ({"topic": "a/{step!r}"}, "topic: unknown field {step}"),
        ({"topic": "a/{"}, "topic: expected a topic such as"),
        ({"topic": "a/#"}, "topic: a topic to publish to has no wildcards"),
        ({"topic": "a/+/b"}, "topic: a topic to publish to has no wildcards"),
        ({"topic": "a" * 65536}, "topic: expected a topic of at most 65535 bytes"),
        ({"topic_prefix": "{step}"}, "topic_prefix: unknown field {step}"),
        ({"password": "hunter2"}, "password: a secret is not written into the file"),
        ({"password": FromEnvironment("hunter2")}, "username: this key is missing"),
        (
            {"username": "me", "password": FromEnvironment("hunter2"), "password_file": "f"},
            "password_file: expected password or",
        ),
        ({"ca": "ca.pem"}, "ca: certificates need an mqtts:// url"),
        ({"url": "mqtts://x", "cert": "ca.pem"}, "key: this key is missing; it belongs to cert"),
        ({"url": "mqtts://x", "ca": "ca.pem"}, "ca: not usable"),
        ({"qos": 0}, "qos: unknown key"),
    ],
)
def test_each_mistake_is_named_and_no_password_is_repeated(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, **options)
    assert caught.value.message.startswith(f"{tmp_path / 'p.toml'}: sinks[0].{message}")
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_password_file_is_read_without_its_line_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "pw"
    file.write_text("hunter2\n")
    file.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        found = settings(tmp_path, username="me", password_file="pw")
    assert found.password is not None
    assert found.password.reveal() == "hunter2"
    assert "hunter2" not in repr(found) + caplog.text
    assert "chmod 600" in caplog.text
    file.chmod(0o600)
    caplog.clear()
    settings(tmp_path, username="me", password_file="pw")
    assert not caplog.records


@pytest.mark.parametrize(("content", "kind"), [(None, TargetNotFoundError), (b"", ConfigError), (b"\xff", ConfigError)])
def test_a_password_file_that_is_none_is_named(tmp_path: Path, content: bytes | None, kind: type[EdgeError]) -> None:
    if content is not None:
        (tmp_path / "pw").write_bytes(content)
    with pytest.raises(kind, match=r"sinks\[0\]\.password_file: "):
        settings(tmp_path, username="me", password_file="pw")


@pytest.mark.parametrize(
    ("url", "warned"), [("mqtt://10.1.2.3", True), ("mqtt://localhost", False), ("mqtts://b", False)]
)
def test_a_password_over_a_plain_network_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, url: str, *, warned: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        settings(tmp_path, url=url, username="me", password=FromEnvironment("hunter2"))
    assert ("unencrypted" in caplog.text) == warned

"""TLS against a real broker: who is believed, until when, and what a board does that does not know the time."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Mosquitto, mosquitto, until
from tests.support import REPOSITORY, preloadable, require_tool
from tests.unit.publish.test_mqtt import publish, sink_of

CLOCK = REPOSITORY / "tests" / "hostile" / "clock.c"


class Authority:
    """A certificate authority in a folder, made with openssl."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        constraints = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
        self._run(
            "req", "-x509", *self._key("ca"), "-days", "3650", "-out", "ca.crt", "-subj", "/CN=test-ca", *constraints
        )

    def issue(self, name: str, subject: str, names: str = "", *, days: int = 90) -> None:
        """Make name.crt and name.key; with `days` of 0 the certificate has ended."""
        self._run("req", *self._key(name), "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        (self.folder / "extensions").write_text(f"subjectAltName={names}\n" if names else "")
        signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions"]
        self._run("x509", "-req", "-in", f"{name}.csr", *signing, "-days", str(days), "-out", f"{name}.crt")

    def __truediv__(self, name: str) -> str:
        return str(self.folder / name)

    @staticmethod
    def _key(name: str) -> list[str]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]

    def _run(self, *arguments: str) -> None:
        subprocess.run(
            [require_tool("openssl", "openssl"), *arguments], check=True, capture_output=True, cwd=self.folder
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@contextmanager
def secure(folder: Path, authority: Authority, name: str = "IP:127.0.0.1", *, days: int = 90) -> Iterator[Mosquitto]:
    """A broker that wants client certificates, and lets each write below its own name only."""
    authority.issue("server", "broker", name, days=days)
    (folder / "acl").write_text("pattern readwrite edge/%u/#\n")
    (folder / "acl").chmod(0o600)
    lines = [
        f"cafile {authority / 'ca.crt'}",
        f"certfile {authority / 'server.crt'}",
        f"keyfile {authority / 'server.key'}",
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous false",
        f"acl_file {folder / 'acl'}",
    ]
    with mosquitto(folder, *lines) as broker:
        yield broker


def options(authority: Authority, broker: Mosquitto, name: str = "device") -> dict[str, Any]:
    url = broker.url.replace("mqtt:", "mqtts:")
    return {"url": url, "ca": authority / "ca.crt", "cert": authority / f"{name}.crt", "key": authority / f"{name}.key"}


def test_a_certificate_opens_the_door_and_its_end_is_reported(tmp_path: Path, authority: Authority) -> None:
    authority.issue("device", "gw", days=20)
    with secure(tmp_path, authority) as broker:
        sink = sink_of(tmp_path, report_s=0.1, **options(authority, broker))
        sink.open()
        publish(sink, range(3))
        until(lambda: sink.counts()["delivered"] == 3, "the confirmations")
        report = json.loads(sink._report())
        sink.close()
    assert 89 < report["broker_certificate_days"] <= 90
    assert 19 < report["own_certificate_days"] <= 20


def test_a_certificate_that_ends_soon_is_warned_about(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    authority.issue("device", "gw", days=5)
    with secure(tmp_path, authority) as broker, caplog.at_level(logging.WARNING):
        sink = sink_of(tmp_path, **options(authority, broker))
        sink.open()
        until(lambda: sink.state.startswith("connected"), "the connection")
        sink.close()
    assert "the own certificate ends in" in caplog.text
    assert "the broker certificate ends" not in caplog.text


def test_without_or_with_a_strangers_certificate_nobody_gets_in(tmp_path: Path, authority: Authority) -> None:
    stranger = Authority(tmp_path / "stranger")
    stranger.issue("device", "gw")
    with secure(tmp_path, authority) as broker:
        url = broker.url.replace("mqtt:", "mqtts:")
        bare = {"url": url, "ca": authority / "ca.crt"}
        forged = {**bare, "cert": stranger / "device.crt", "key": stranger / "device.key"}
        for number, one in enumerate((bare, forged)):
            sink = sink_of(tmp_path, number=number, flush_timeout_s=0, **one)
            sink.open()
            publish(sink, range(2))
            until(lambda sink=sink: "no answer yet" not in sink.state, "the refusal")
            sink.close()
            assert sink.counts()["delivered"] == 0
            assert sink.counts()["kept"] == 2


def test_an_ended_certificate_of_the_broker_is_not_believed(tmp_path: Path, authority: Authority) -> None:
    authority.issue("device", "gw")
    with secure(tmp_path, authority, days=0) as broker:
        sink = sink_of(tmp_path, flush_timeout_s=0, **options(authority, broker))
        sink.open()
        publish(sink, range(2))
        until(lambda: "not trusted: certificate has expired" in sink.state, "the refusal")
        sink.close()
    assert sink.counts()["kept"] == 2


def test_another_devices_topics_are_closed_and_the_message_is_kept_aside(tmp_path: Path, authority: Authority) -> None:
    authority.issue("device", "other")
    with secure(tmp_path, authority) as broker:
        sink = sink_of(tmp_path, report_s=0, **options(authority, broker))
        sink.open()
        publish(sink, range(2))
        until(lambda: sink.counts()["dead"] == 2, "the dead letters")
        sink.close()
    assert sink.counts()["waiting"] == 0


SCRIPT = """
import sys, time
from pathlib import Path
from edge_sdk.config import Where, decode
from edge_sdk.publish.mqtt import MqttSink
where = Where(Path(sys.argv[1]) / "p.toml", "sinks[0]")
names = dict(zip(("url", "ca", "cert", "key"), sys.argv[2:]))
sink = MqttSink(decode({**names, "flush_timeout_s": 0}, MqttSink.Options, where), where, "p", "gw")
sink.open()
for _ in range(400):
    if "no answer yet" not in sink.state:
        break
    time.sleep(0.02)
print(sink.state)
sink.close()
"""


@pytest.mark.parametrize(
    ("clock_s", "said"),
    [(0, "the clock says 1970-01-01, but it is 2026"), (4_070_908_800, "certificate has expired"), (None, "connected")],
)
def test_a_wrong_clock_never_makes_it_trust_less_carefully(
    tmp_path: Path, authority: Authority, clock_s: int | None, said: str
) -> None:
    authority.issue("device", "gw")
    wrong = {} if clock_s is None else {"LD_PRELOAD": str(preloadable(CLOCK)), "EDGE_TEST_CLOCK_S": str(clock_s)}
    with secure(tmp_path, authority) as broker:
        arguments = [sys.executable, "-c", SCRIPT, str(tmp_path), *options(authority, broker).values()]
        done = subprocess.run(arguments, env=os.environ | wrong, capture_output=True, text=True, timeout=60)
    assert said in done.stdout, done.stdout + done.stderr

"""The options of the MQTT sink, checked: address, topics, credentials, TLS. Nothing here touches the network.

A password never stands in the file, in a URL, in a message or in a log: it comes as `${env:NAME}` or from a file, and
stays a `Secret` until the moment it is handed to the MQTT library.
"""

from __future__ import annotations

import logging
import re
import ssl
import string
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from edge_sdk.config import Secret, Where
from edge_sdk.errors import AccessDeniedError, TargetNotFoundError
from edge_sdk.publish.certificates import not_after
from edge_sdk.publish.home_assistant import HomeAssistantOptions
from edge_sdk.publish.outbox_options import OutboxOptions
from edge_sdk.registry import nearest

log = logging.getLogger(__name__)

MAX_TOPIC_BYTES = 65535
MAX_PASSWORD_BYTES = 4096
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_PREFIX_FIELDS = ("device", "name")
_TOPIC_FIELDS = ("device", "name", "step", "topic_prefix")


class MqttOptions(msgspec.Struct, frozen=True, kw_only=True):
    """An MQTT broker; QoS 1, MQTT 5, or 3.1.1 where the broker has only that."""

    url: Annotated[
        str,
        Meta(min_length=1, description="mqtt://host[:1883] or mqtts://host[:8883]", examples=["mqtts://broker:8883"]),
    ]
    topic: Annotated[
        str, Meta(min_length=1, description="of results; may contain {device}, {name}, {step}, {topic_prefix}")
    ] = "{topic_prefix}/{step}"
    topic_prefix: Annotated[
        str, Meta(min_length=1, description='availability is retained at {topic_prefix}/status: "online" or "offline"')
    ] = "edge/{device}/{name}"
    client_id: Annotated[
        str, Meta(max_length=128, description="default edge-{device}-{name}; with :N at its end for sinks[N], N > 0")
    ] = ""
    username: Annotated[str | None, Meta(description="user name")] = None
    password: Annotated[Secret | None, Meta(description="only as ${env:NAME}")] = None
    password_file: Annotated[str | None, Meta(description="file with the password, instead of `password`")] = None
    ca: Annotated[str | None, Meta(description="certificates to trust (PEM), default the system's")] = None
    cert: Annotated[str | None, Meta(description="own certificate (PEM)")] = None
    key: Annotated[str | None, Meta(description="own private key (PEM, not encrypted)")] = None
    keepalive_s: Annotated[int, Meta(ge=5, le=3600, description="longest silence before a ping")] = 30
    outbox: Annotated[OutboxOptions, Meta(description="where results wait for the broker")] = OutboxOptions()
    no_subscribers: Annotated[
        Literal["deliver", "retry"],
        Meta(description="retry: a result that the broker took but nobody subscribes to (reason 0x10) waits"),
    ] = "deliver"
    home_assistant: Annotated[
        HomeAssistantOptions | None, Meta(description="be found by Home Assistant; home_assistant = {} does")
    ] = None
    report_s: Annotated[
        float,
        Meta(ge=0, le=86400, description="how often {topic_prefix}/delivery tells of waiting and losses; 0: never"),
    ] = 30.0
    required: Annotated[bool, Meta(description="do not start without the broker")] = False
    connect_timeout_s: Annotated[float, Meta(gt=0, le=600, description="for one attempt, and for `required`")] = 10.0
    flush_timeout_s: Annotated[float, Meta(ge=0, le=600, description="for what is queued when the pipeline stops")] = (
        5.0
    )


@dataclass(frozen=True)
class Settings:
    """Checked options.

    Attributes:
        address: for messages: scheme, host and port only.
        topic: of results; only {step} is still open.
        tls: None for plain connections.
        own_ends_s: when our own certificate ends, seconds since 1970; None without one.
    """

    host: str
    port: int
    address: str
    client_id: str
    topic: str
    status_topic: str
    report_topic: str
    username: str | None
    password: Secret | None
    tls: ssl.SSLContext | None
    own_ends_s: float | None


def settings_of(options: MqttOptions, where: Where, pipeline: str, device: str) -> Settings:
    """Check the options.

    Raises:
        ConfigError: with the key's path.
    """
    scheme, host, port = _address(options.url, where.at("url"))
    names = {"device": device, "name": pipeline}
    prefix = fill_topic(options.topic_prefix, names, where.at("topic_prefix"), _PREFIX_FIELDS)
    names["topic_prefix"] = prefix
    topic = fill_topic(options.topic, {**names, "step": "{step}"}, where.at("topic"), _TOPIC_FIELDS)
    password = _password(options, where)
    if password is not None and options.username is None:
        raise where.at("username").error("this key is missing; a password needs a user name")
    if password is not None and scheme == "mqtt" and not _is_loopback(host):
        log.warning("%s: the password crosses the network unencrypted; use mqtts://", where.at("url"))
    return Settings(
        host,
        port,
        f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}",
        options.client_id or _default_client_id(device, pipeline, where),
        topic,
        prefix + "/status",
        prefix + "/delivery",
        options.username,
        password,
        _tls(options, scheme, where),
        _own_end(options, where),
    )


def fill_topic(template: str, names: dict[str, str], where: Where, known: tuple[str, ...]) -> str:
    """Return the template with its fields filled in.

    Raises:
        ConfigError: an unknown field, a wildcard, or a topic too long for MQTT.
    """
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError as fault:
        raise where.error(f"expected a topic such as plant/{{name}}/{{step}}: {fault}") from None
    for _, field, spec, conversion in fields:
        if field is not None and (field not in known or spec or conversion):
            wanted = ", ".join(f"{{{name}}}" for name in known)
            raise where.error(f"unknown field {{{field}}}{nearest(field, list(known))} (known: {wanted})")
    topic = "".join(text + (names[field] if field else "") for text, field, _, _ in fields)
    if re.search(r"[+#\x00-\x1f\x7f]", topic):
        raise where.error("a topic to publish to has no wildcards (+, #) and no control characters")
    if len(topic.encode("utf-8", "replace")) > MAX_TOPIC_BYTES:
        raise where.error(f"expected a topic of at most {MAX_TOPIC_BYTES} bytes")
    return topic


def _default_client_id(device: str, pipeline: str, where: Where) -> str:
    """Return an id of this sink alone: a broker throws out the first of two clients with one id."""
    number = re.search(r"\[([1-9]\d*)\]$", where.key)
    return f"edge-{device}-{pipeline}" + (f":{number[1]}" if number else "")


def _address(url: str, where: Where) -> tuple[str, str, int]:
    """Return scheme, host and port. The URL itself is never repeated in a message: it might hold a password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise where.error("expected mqtt://host:port or mqtts://host:port") from None
    if parts.scheme not in _PORTS:
        raise where.error("expected a URL that begins with mqtt:// or mqtts://")
    if parts.username is not None or parts.password is not None:
        raise where.error(
            "a URL holds no user name and password", hint='use the keys username and password = "${env:NAME}"'
        )
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment or re.search(r"[\s\x00]", host):
        raise where.error("expected mqtt://host:port or mqtts://host:port, and nothing after the port")
    if port == 0:
        raise where.error("expected a port from 1 to 65535, got 0")
    return parts.scheme, host, port or _PORTS[parts.scheme]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _password(options: MqttOptions, where: Where) -> Secret | None:
    if options.password_file is None:
        return options.password
    if options.password is not None:
        raise where.at("password_file").error("expected password or password_file, not both")
    place, path = where.at("password_file"), where.resolve(options.password_file)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PASSWORD_BYTES + 1)
        mode = path.stat().st_mode
    except PermissionError:
        raise AccessDeniedError(f"{place}: {path} may not be read") from None
    except OSError as fault:
        raise TargetNotFoundError(f"{place}: {path} cannot be read: {fault.strerror}") from None
    if mode & 0o077:
        log.warning("%s: other users may read %s; chmod 600 it", place, path)
    try:
        text = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise place.error(f"{path} is not UTF-8 text") from None
    if not text or len(data) > MAX_PASSWORD_BYTES:
        raise place.error(f"expected a password of 1 to {MAX_PASSWORD_BYTES} bytes in {path}")
    return Secret(text)


def _tls(options: MqttOptions, scheme: str, where: Where) -> ssl.SSLContext | None:
    given = {"ca": options.ca, "cert": options.cert, "key": options.key}
    files = {name: _file(path, where.at(name)) for name, path in given.items() if path is not None}
    if scheme == "mqtt":
        for name in files:
            raise where.at(name).error("certificates need an mqtts:// url")
        return None
    for name, other in (("cert", "key"), ("key", "cert")):
        if name in files and other not in files:
            raise where.at(other).error(f"this key is missing; it belongs to {name}")
    place = where.at("ca")
    try:
        context = ssl.create_default_context(cafile=str(files["ca"]) if "ca" in files else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if "cert" in files:
            place = where.at("cert")
            # Without a password function OpenSSL would ask on the terminal, and wait for ever in a service.
            context.load_cert_chain(files["cert"], files["key"], password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as fault:
        raise place.error(f"not usable: {fault}; expected PEM files, the key not encrypted") from fault
    return context


def _own_end(options: MqttOptions, where: Where) -> float | None:
    return None if options.cert is None else not_after(_file(options.cert, where.at("cert")).read_bytes())


def _file(path: str, where: Where) -> Path:
    found = where.resolve(path)
    if not found.is_file():
        raise TargetNotFoundError(f"{where}: {found}: no such file")
    return found

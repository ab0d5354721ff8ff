"""Results to an MQTT broker, at least once: they wait in an outbox until the broker has confirmed them.

publish() --> Outbox (disk) --> Courier (thread, connection) --> broker
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from edge_sdk.config import Where
from edge_sdk.errors import AccessDeniedError, TransferError
from edge_sdk.publish import home_assistant
from edge_sdk.publish.mqtt_connection import Doorbell
from edge_sdk.publish.mqtt_courier import Courier
from edge_sdk.publish.mqtt_settings import MqttOptions, settings_of
from edge_sdk.publish.outbox import Outbox
from edge_sdk.publish.outbox_options import outbox_path
from edge_sdk.publish.outbox_records import Message
from edge_sdk.publish.payload import encode
from edge_sdk.reading import Result
from edge_sdk.units import rfc3339, utc_now

log = logging.getLogger(__name__)


class MqttSink:
    """The row `mqtt` of SINKS."""

    Options = MqttOptions

    def __init__(self, options: MqttOptions, where: Where, pipeline: str, device: str) -> None:
        self._options = options
        self._settings = settings_of(options, where, pipeline, device)
        self._doorbell = Doorbell()
        self._outbox = Outbox(
            outbox_path(options.outbox, where.at("outbox"), pipeline), options.outbox, self._doorbell.ring
        )
        home = options.home_assistant
        self._courier = Courier(
            self._settings,
            options,
            self._outbox,
            self._doorbell,
            self._report,
            home_assistant.birth_topic(home) if home else "",
            keep_announced=home is not None and home.keep,
        )
        self._is_announced = home is None
        self._is_open = False

    def open(self) -> None:
        """Open the outbox and start connecting; with `required`, wait for the broker.

        Raises:
            BusyError: another run uses the outbox.
            TransferError: `required`, and the broker was not reached in time.
            AccessDeniedError: `required`, and the broker refused the credentials.
        """
        self._outbox.open()
        self._is_open = True
        self._courier.start()
        if self._outbox.waiting:
            log.warning(
                "MQTT broker %s: %d results wait from an earlier run", self._settings.address, self._outbox.waiting
            )
        if not self._options.required:
            return
        self._courier.first_verdict.wait(self._options.connect_timeout_s)
        if self._courier.connected.is_set():
            return
        problem, refused = self._courier.problem or "no answer to CONNECT", self._courier.refused
        self._finish(0.0)
        if refused:
            raise AccessDeniedError(
                f"MQTT broker {self._settings.address}: {problem}", hint="check username and password"
            )
        raise TransferError(
            f"MQTT broker {self._settings.address}: not reached in {self._options.connect_timeout_s:g} s: {problem}",
            hint="check the url and the broker, or leave out `required` to start without it",
        )

    def publish(self, result: Result) -> None:
        topic = self._settings.topic.replace("{step}", result.step)
        if not self._is_announced:
            self._announce(result, topic)
        number = self._outbox.number()
        stamp_us = int(result.utc.timestamp() * 1e6)
        self._outbox.put(Message(number, topic, encode(result, number), result.alarm, stamp_us))

    def close(self) -> None:
        """Deliver what is queued within `flush_timeout_s`, say "offline", and disconnect. The rest stays on disk."""
        if not self._is_open:
            return
        self._finish(self._options.flush_timeout_s)
        counts = self._outbox.counts()
        left = counts["waiting"] - counts["kept"]
        if left:
            text = "MQTT broker %s: %d results were not delivered: %s"
            log.error(text, self._settings.address, left, self._courier.problem)
        if counts["kept"]:
            text = "MQTT broker %s: %d results wait on disk for the next run: %s"
            log.warning(text, self._settings.address, counts["kept"], self._courier.problem or "no time left")

    def counts(self) -> Mapping[str, int]:
        return {**self._courier.counts, **self._outbox.counts()}

    @property
    def state(self) -> str:
        disk = f"; outbox: {self._outbox.problem}" if self._outbox.problem else ""
        return self._courier.state + disk

    def _finish(self, flush_s: float) -> None:
        self._is_open = False
        self._courier.stop(flush_s)
        self._outbox.close()

    def _announce(self, first: Result, topic: str) -> None:
        """Tell Home Assistant what there is, now that a result shows it."""
        options = self._options.home_assistant
        if options is not None:
            report = self._settings.report_topic if self._options.report_s else ""
            topics = home_assistant.Topics(topic, self._settings.status_topic, report)
            self._courier.announce(
                home_assistant.config_topic(options, first.device, first.pipeline),
                home_assistant.discovery(options, topics, first),
            )
        self._is_announced = True

    def _report(self) -> bytes:
        """Return what became of results, over all runs of this outbox."""
        totals = self._outbox.totals
        return msgspec.json.encode(
            {
                "time_utc": rfc3339(utc_now()),
                "waiting": self._outbox.waiting,
                "accepted": totals.accepted,
                "lost_no_room": totals.dropped,
                "lost_damaged": totals.damaged,
                "dead_letters": totals.dead,
                "problem": self._outbox.problem,
                **self._courier.certificate_days,
            }
        )

"""Publishers: where results go. One module per kind, one row here; `base.Sink` is the contract."""

from __future__ import annotations

from edge_sdk.registry import Registry

SINKS = Registry(
    "sink",
    {
        "mqtt": "edge_sdk.publish.mqtt:MqttSink",
        "stdout": "edge_sdk.publish.stdout:StdoutSink",
    },
)

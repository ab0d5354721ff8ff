"""Sensors: what delivers samples. One module per kind, one row here; `base.Source` is the contract."""

from __future__ import annotations

from edge_sdk.registry import Registry

SENSORS = Registry(
    "sensor",
    {
        "replay": "edge_sdk.sensors.replay:ReplaySource",
        "serial": "edge_sdk.sensors.serial:SerialSource",
    },
)

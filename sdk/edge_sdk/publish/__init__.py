"""Publishers: where results go. One module per kind, one row here; `base.Sink` is the contract."""

from __future__ import annotations

from edge_sdk.registry import Registry

SINKS = Registry(
    "sink",
    {
        "can_send": "edge_sdk.publish.can_send:CanSendSink",
        "file": "edge_sdk.publish.file:FileSink",
        "gpio": "edge_sdk.publish.gpio:GpioSink",
        "modbus_write": "edge_sdk.publish.modbus_write:ModbusWriteSink",
        "mqtt": "edge_sdk.publish.mqtt:MqttSink",
        "stdout": "edge_sdk.publish.stdout:StdoutSink",
    },
    packages={
        "can_send": "'edge-sdk[can]'",
        "gpio": "'edge-sdk[gpio]'",
        "modbus_write": "'edge-sdk[modbus]'",
    },
)

"""The broker's side: a process that writes down the time and id of each message. It knows nothing of edge-sdk.

python -m tests.faults.subscriber PORT TOPIC FILE
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def main(port: str, topic: str, file: str) -> None:
    session = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval = 3600
    with open(file, "a", buffering=1) as out:

        def heard(client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
            found = json.loads(message.payload)
            out.write(f"{time.time():.6f} {found['id']} {int(found.get('historical', False))}\n")

        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="auditor", protocol=MQTTProtocolVersion.MQTTv5)
        client.on_message = heard
        client.on_connect = lambda client, *arguments: client.subscribe(topic, qos=1)
        client.on_subscribe = lambda *arguments: print("ready", flush=True)
        client.reconnect_delay_set(1, 1)
        client.connect("127.0.0.1", int(port), 30, clean_start=False, properties=session)
        client.loop_forever(retry_first_connection=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

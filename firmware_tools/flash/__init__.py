"""The operator's side: find a target, plan, show, ask, carry out, report.

A transport is a way to reach a target; one module per kind, one row here; `transport.Transport` is the contract.
"""

from __future__ import annotations

from edge_sdk.registry import Registry

TRANSPORTS = Registry(
    "transport",
    {
        "dir": "firmware_tools.flash.folder:FolderTransport",
        "local": "firmware_tools.flash.local:LocalTransport",
        "ssh": "firmware_tools.flash.ssh:SshTransport",
    },
)

"""The device of a watch: one connection for all rounds, made again when it is lost.

Its lock is kept from the first round to the end. Two people who send a version a second to one device would only ever
see each other's; the second one is told who has it, and since when (exit code 21).
"""

from __future__ import annotations

from contextlib import suppress

from edge_sdk.errors import EdgeError
from firmware_tools.bundle import Bundle
from firmware_tools.flash.deploy import Options, Root, install
from firmware_tools.flash.device import Device
from firmware_tools.flash.events import Events
from firmware_tools.flash.receipt import operator
from firmware_tools.flash.steps import answer, app_of
from firmware_tools.update.messages import AppStatus
from firmware_tools.update.site import site_of

#: Somebody waits for the verdict, and mends what is wrong by hand.
GATE_S, HOLD_S = 10, 1


class WatchedDevice:
    """What a watch asks of its device. All but `close` raise EdgeError; TransferError and DeadlineError: connect again.

    Args:
        device: looked at before.
        name: of the application.
        root: the operator's trust root.
    """

    def __init__(self, device: Device, name: str, root: Root) -> None:
        self.device, self.name, self._root = device, name, root
        self._stale = False

    @property
    def target(self) -> str:
        """The device in words."""
        return self.device.transport.target

    @property
    def words(self) -> str:
        """The options that name it again."""
        return self.device.transport.words

    def newest(self) -> int:
        """Return the newest counter that the device has accepted; it was looked at before."""
        return self.device.facts.counters.get(self.name, 0) if self.device.facts is not None else 0

    def seen(self) -> AppStatus | None:
        """Return how the application was before the last version was sent."""
        return self.device.app(self.name)

    def send(self, bundle: Bundle, events: Events) -> None:
        """Put a version on trial; the device judges it alone."""
        if self._stale:
            self.connect()
        site = site_of(bundle.manifest)
        self._stale = site not in ("", self.device.target_facts.agent)
        options = Options(kind="watch", wait=False, gate_s=GATE_S, hold_s=HOLD_S)
        install(self.device, bundle, self._root, options, events)

    def status(self) -> AppStatus | None:
        """Return how the application is; None where the device knows none."""
        value = self.device.link.call("status", name=self.name)
        return app_of(answer(value, list[AppStatus], "status"), self.name)

    def logs(self, lines: int) -> list[str]:
        """Return the last lines it has written."""
        return answer(self.device.link.call("logs", name=self.name, lines=lines), list[str], "logs")

    def tidy(self) -> None:
        """Let the device remove what nobody needs any more, and go on with the device's side that is in force now."""
        if self._stale:
            self.connect()
            self._stale = False
        self.device.link.call("collect")

    def connect(self, *, lock: bool = True) -> None:
        """Connect anew, and look at the device as if for the first time."""
        self.close()
        self.device.target_facts = self.device.transport.probe()
        if self.device.look() is not None and lock:
            self.device.link.lock(operator())

    def close(self) -> None:
        """Let go of the device and its lock."""
        with suppress(EdgeError, OSError):
            self.device.close()

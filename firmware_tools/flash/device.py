"""One target under work: what the probe saw, the link to its receiver when there is one, and what its own side says.

The receiver is started where something on the target can answer it: the site that looks after the device, or packages
of its Python. On a bare machine nothing is started before a person has said yes.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from edge_sdk.errors import SafetyError
from firmware_tools.bundle import Manifest
from firmware_tools.flash.link import open_link
from firmware_tools.flash.plan import There, Want
from firmware_tools.flash.probe import TargetFacts
from firmware_tools.flash.steps import answer, app_of
from firmware_tools.flash.target import Place
from firmware_tools.flash.transport import Link, Transport
from firmware_tools.update.messages import PROTOCOL, AppStatus, DeviceFacts
from firmware_tools.update.site import site_of


class Device:
    """A target; `with` closes the link.

    with Device(place) as device:
        device.look()                    # what its own side says; None where it has none
        device.there(want)
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.transport: Transport = place.transport
        self.target_facts: TargetFacts = place.facts
        self.facts: DeviceFacts | None = None
        self._link: Link | None = None
        self._loaded: str | None = ""

    @property
    def link(self) -> Link:
        """The link; made when it is first asked for."""
        if self._link is None:
            self._link = self.connect()
        return self._link

    @link.setter
    def link(self, link: Link) -> None:
        self._link = link

    def connect(self) -> Link:
        """Start another receiver and return the link to it."""
        return open_link(self.transport, self.target_facts)

    @property
    def own_packages(self) -> bool:
        """Whether the packages of the target's Python are known to have the device's side."""
        return self.transport.kind != "ssh"

    def loads(self, wheels: bool) -> str | None:
        """Return the site to load the device's side from; "" for packages; None: it must be sent first.

        Args:
            wheels: whether what is to be installed brings the device's side along.
        """
        if self.transport.kind == "dir":
            return ""  # the packages in a folder may be another machine's
        if self.target_facts.agent:
            return self.target_facts.agent
        if self.transport.kind == "local":
            return ""
        return None if wheels else ""

    def look(self, *, wheels: bool = True) -> DeviceFacts | None:
        """Ask the device's side, if it has one; changes nothing.

        Raises:
            SafetyError: it speaks another protocol.
            EdgeError: it cannot be asked.
        """
        site = self.loads(wheels)
        self._loaded = site
        if site is None:
            return None
        self.link.load_agent(site)
        self.facts = answer(self.link.call("facts"), DeviceFacts, "facts")
        if self.facts.protocol > PROTOCOL:
            raise SafetyError(
                f"{self.transport.target}: its edge-sdk is newer than this one (protocol {self.facts.protocol}, "
                f"here {PROTOCOL})",
                hint="install a newer edge-sdk on this machine",
            )
        return self.facts

    def _agent(self, wheels: bool) -> str | None:
        """Return the site of the device's side, "" for packages; None: it is to be put in force."""
        facts = self.target_facts
        # In a folder `launch` names this command's own Python, until packages for the one there come along.
        if not facts.launch or (self.transport.kind == "dir" and wheels and not facts.agent):
            return None
        return facts.agent

    def app(self, name: str) -> AppStatus | None:
        """Return what is known of an application there."""
        return app_of(self.facts.apps, name) if self.facts is not None else None

    def look_again(self) -> None:
        """Forget what was seen. What the device's side says is asked anew anyway; a machine without one is probed."""
        if self._loaded is None:
            self.target_facts = self.transport.probe()

    def there(self, want: Want, *, tests: bool) -> There:
        """Look, and return what a plan needs."""
        wheels = bool(site_of(want.manifest))
        facts = self.look(wheels=wheels)
        stored: dict[str, int] = {}
        had: list[str] = []
        if facts is not None:
            hashes = sorted({entry.sha256 for entry in want.manifest.files})
            stored = dict(self.link.stored(hashes))
            files = sorted({entry.sha256 for entry in want.manifest.files if entry.role != "wheel"})
            had = self._had(want.manifest, files)
        return There(
            target=self.transport.target,
            board=self.place.board,
            called=self.place.called,
            restarts=self.transport.restarts,
            agent=self._agent(wheels),
            loads=self.loads(wheels),
            tests=tests,
            trust_version=facts.trust_version if facts is not None else 0,
            sites=facts.sites if facts is not None else (),
            app=self.app(want.manifest.name),
            stored=stored,
            had=tuple(had),
        )

    def _had(self, manifest: Manifest, hashes: Sequence[str]) -> list[str]:
        value = self.link.call("have", name=manifest.name, hashes=list(hashes))
        return answer(value, list[str], "have")

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

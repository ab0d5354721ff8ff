"""Devices with a version installed, and the stream of newer ones for them."""

from __future__ import annotations

import contextlib
import copy
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.target.checker import Unsealed, look
from tests.target.flashing import Ended, Flash, flash
from tests.target.gateway import Gateway
from tests.target.killing import FolderPlace, GatewayPlace, Tally, complete, judge, manner
from tests.target.processes import until
from tests.target.project import NAME, Project
from tests.target.wheelhouse import wheelhouse
from tests.target.wire import Wire

#: Of the releases in kill tests: as short as a verdict can be.
HEALTH = {"gate_s": 20, "hold_s": 0}
#: How long a command is left alone with a wire that is cut.
UNREACHABLE_S = 3.0


def installed_folder(app: Project, release: Unsealed, folder: Path) -> FolderPlace:
    """Return a folder in which the release is confirmed."""
    place = FolderPlace(folder / "template", folder / "root")
    place.template.mkdir(parents=True)
    ended = flash(app, release.path, "--dir", place.template)
    assert ended.code == 0, ended
    device = [sys.executable, "-m", "firmware_tools.update", "--root", str(place.template)]
    subprocess.run([*device, "confirm", NAME], check=True, capture_output=True)
    found = look(place.template, NAME, [release])
    assert found.state["confirmed"] == found.current == release.slot, found
    assert not found.mistakes, found
    return place


class Releases:
    """Versions 1.0.1, 1.0.2 and so on for a gateway.

    with Gateway() as gateway, Releases(project(), gateway) as releases:
        releases.install()
        new = releases.make()
        flash(app, new.path, *releases.place.words)
        releases.confirmed()

    Attributes:
        known: what may lie on the gateway: the version before, the confirmed one, and those made since.
    """

    def __init__(self, app: Project, gateway: Gateway, wire: Wire | None = None, board: str = "") -> None:
        self.app, self.gateway = app, gateway
        self.place = GatewayPlace(gateway, (wire or gateway).alias)
        self.known: list[Unsealed] = []
        self._number = count(1)
        self._line = add_host(app, self.place.host, (wire or gateway).ssh_config, board)
        self._folder = tempfile.TemporaryDirectory(prefix="edge-releases-")

    def __enter__(self) -> Releases:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()
        remove_host(self.app, self._line)

    def make(self, *, wheels: bool = False, illness: str = "", **changes: Any) -> Unsealed:
        """Return the next version.

        Args:
            wheels: our own wheel differs from that of the versions before, so the device needs another site.
            illness: what that wheel does in place of running.
            changes: see `Project.release`.
        """
        release = self.app.release(
            f"1.0.{next(self._number)}",
            wheels=wheelhouse(),
            illness=illness or ("well" if wheels else ""),
            folder=Path(self._folder.name),
            **{"health": {**self.app.health, **HEALTH}, **changes},
        )
        self.known.append(release)
        return release

    @contextlib.contextmanager
    def through(self, wire: Wire) -> Iterator[Releases]:
        """Give the same stream for the same gateway, reached through a wire."""
        other = copy.copy(self)
        other.place = GatewayPlace(self.gateway, wire.alias)
        line = add_host(self.app, wire.alias, wire.ssh_config)
        try:
            yield other
        finally:
            self.known = other.known
            remove_host(self.app, line)

    def install(self) -> Ended:
        """Put the first version on the gateway and wait for its confirmation."""
        ended = flash(self.app, self.make().path, *self.place.words)
        assert ended.code == 0, ended
        self.confirmed()
        return ended

    def confirmed(self) -> None:
        """Wait until the last version is confirmed, and forget what the gateway may have forgotten."""
        until(lambda: self.state().get("confirmed") == self.known[-1].slot, f"{self.known[-1].slot} is confirmed")
        kept = {self.state()["previous"], self.state()["confirmed"]}
        self._forget(kept)

    def given_up(self) -> None:
        """Note that the gateway has reverted the last version; its slot may stay there for a while."""
        assert self.state()["confirmed"] == self.known[-2].slot
        assert not self.state()["trial"]
        self.known[-2:] = self.known[:-3:-1]

    def state(self) -> dict[str, Any]:
        """Return what the gateway knows of the application."""
        path = self.gateway.path(f"/var/lib/edge-sdk/apps/{NAME}/state.json")
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        return found

    def status(self) -> dict[str, Any]:
        """Return what `edge-sdk status` says of it."""
        (found,) = json.loads(self.app.edge("status", *self.place.words, "--json").stdout)["apps"]
        assert isinstance(found, dict)
        return found

    def _forget(self, kept: set[str]) -> None:
        for release in self.known:
            if release.slot not in kept:
                release.path.unlink(missing_ok=True)
        self.known = [release for release in self.known if release.slot in kept]


def add_host(app: Project, host: str, ssh_config: Path, board: str = "") -> str:
    """Name a host in the project file; returns what was added."""
    text = f'[hosts.{host}]\naddress = "{host}"\nboard = "{board}"\nssh_config = "{ssh_config}"\n'
    file = app.folder / "edge-sdk.toml"
    file.write_text(file.read_text() + text)
    return text


def remove_host(app: Project, text: str) -> None:
    file = app.folder / "edge-sdk.toml"
    file.write_text(file.read_text().replace(text, ""))


def drop_round(
    place: GatewayPlace, app: Project, releases: Sequence[Unsealed], wire: Wire, limit: int, tally: Tally
) -> None:
    """Flash over a wire that is cut after so many bytes; look; flash again over a whole one."""
    tally.rounds += 1
    wire.cut_after(limit)
    flashing = Flash(app, releases[-1].path, *place.words)
    while flashing.running and not wire.is_cut:
        time.sleep(0.01)
    tally.in_time += wire.is_cut
    if wire.is_cut and not flashing.ends_within(UNREACHABLE_S):
        wire.mend()  # it waits for the verdict of a device that it cannot reach
    ended = flashing.wait()
    wire.mend()
    place.settle()
    found = look(place.root, NAME, releases)
    if found.wanted == releases[-1].slot:
        tally.took_new += 1
    else:
        tally.kept_old += 1
    mistakes = [*manner(ended), *judge(found, releases)]
    mistakes += place.running(releases[-2:])
    mistakes = mistakes or complete(place, app, releases)
    tally.mistakes += [f"cut after {limit} bytes: {mistake}" for mistake in mistakes]

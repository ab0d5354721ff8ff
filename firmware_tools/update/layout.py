"""Where things lie on a device. One table of paths, all under `root`, which is `/` or stands for it.

/opt/edge-sdk/
    launch                    sh: starts the device side or an application with the right Python and packages
    agent -> sites/ID         packages of the device side itself; absent: those of the system's Python
    sites/ID/                 wheels unpacked once, shared by slots; never changed; ID is made of their hashes
        wheels.json           which wheels, and the hash of every unpacked file
    store/SHA256[.part]       files on their way in
    apps/NAME/
        current -> slots/ID   what runs; changed by one rename(2)
        slots/ID/             one version of the application, whole or absent; never changed
            sealed.head       the bundle up to its payload: signatures and manifest
            pipeline.toml ...
            site -> ../../../../sites/ID
/var/lib/edge-sdk/
    lock                      held (flock) by the one who changes something
    trust/                    see firmware_tools.sign.store
    apps/NAME/state.json      what is confirmed, what is on trial; the truth that `current` follows
    apps/NAME/receipts/       what was done
/run/edge-sdk/NAME/           health.json of the running application; update.lock, held by who wants no update now
/etc/edge-sdk/                NAME.env, update.toml
/var/log/edge-sdk/NAME.log    under a plain init only

What was begun and not finished is called .part-SOMETHING and lies beside what it should have become.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HEAD = "sealed.head"
SITE = "site"


@dataclass(frozen=True)
class Layout:
    """The paths under one root.

    layout = Layout(Path("/"))
    layout.current("press-7")     # /opt/edge-sdk/apps/press-7/current
    """

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "opt/edge-sdk"

    @property
    def launch(self) -> Path:
        return self.home / "launch"

    @property
    def agent(self) -> Path:
        return self.home / "agent"

    @property
    def sites(self) -> Path:
        return self.home / "sites"

    @property
    def store(self) -> Path:
        return self.home / "store"

    @property
    def apps(self) -> Path:
        return self.home / "apps"

    def slots(self, name: str) -> Path:
        return self.apps / name / "slots"

    def slot(self, name: str, slot: str) -> Path:
        return self.slots(name) / slot

    def current(self, name: str) -> Path:
        return self.apps / name / "current"

    @property
    def state_home(self) -> Path:
        return self.root / "var/lib/edge-sdk"

    @property
    def lock(self) -> Path:
        return self.state_home / "lock"

    @property
    def trust(self) -> Path:
        return self.state_home / "trust"

    def state(self, name: str) -> Path:
        return self.state_home / "apps" / name / "state.json"

    def state_lock(self, name: str) -> Path:
        """Return the file whose flock lets one process at a time change the state."""
        return self.state(name).with_name("state.lock")

    def tested(self, name: str) -> Path:
        """Return the file that says which slots have answered their golden vectors here."""
        return self.state(name).with_name("tested.json")

    def receipts(self, name: str) -> Path:
        return self.state_home / "apps" / name / "receipts"

    def run(self, name: str) -> Path:
        return self.root / "run/edge-sdk" / name

    def beside(self, name: str, what: str) -> Path:
        """Return a path in /run that belongs to the device's side, where the application may not write.

        No name of an application begins with a dot.
        """
        return self.run(name).with_name(f".{name}.{what}")

    def health(self, name: str) -> Path:
        return self.run(name) / "health.json"

    def update_lock(self, name: str) -> Path:
        return self.run(name) / "update.lock"

    @property
    def etc(self) -> Path:
        return self.root / "etc/edge-sdk"

    def log(self, name: str) -> Path:
        return self.root / "var/log/edge-sdk" / f"{name}.log"

    def current_slot(self, name: str) -> str:
        """Return the slot `current` leads to, "" for none."""
        try:
            return Path(os.readlink(self.current(name))).name
        except OSError:
            return ""

    def names(self) -> tuple[str, ...]:
        """Return the applications that have a state."""
        folder = self.state_home / "apps"
        return tuple(sorted(path.parent.name for path in folder.glob("*/state.json")))

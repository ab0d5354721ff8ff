"""What a device remembers: the trust root in force, and how new the newest accepted bundle of each application was.

    DIR/root.edget           the sealed trust root
    DIR/counters/NAME.json   newest counter, which bundle it was, and the floor nothing may fall below

Every change is written beside and renamed, so a power cut leaves the old or the new state. The clock is never asked:
a counter only rises, and a root version only follows its predecessor.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from edge_sdk.errors import AccessDeniedError, BusyError, ConfigError, TargetNotFoundError, TransferError, TrustError
from firmware_tools.sign import canonical, durable
from firmware_tools.sign.keys import PrivateKey
from firmware_tools.sign.root import Root, check_signers, encode_root, first_root, next_root
from firmware_tools.sign.sealed import ROOT, Sealed, countersign, read_sealed, seal

MAX_ROOT_BYTES = 1 << 20
MAX_COUNTER = 2**53
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Counter(Struct, frozen=True, forbid_unknown_fields=True):
    """How new the newest accepted bundle of an application was."""

    counter: Annotated[int, Meta(ge=0, le=MAX_COUNTER)]
    """Of that bundle."""
    manifest_sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    """Of that bundle: the same one may come again."""
    floor: Annotated[int, Meta(ge=0, le=MAX_COUNTER)]
    """No bundle below this, not even when going back is allowed."""


class TrustStore:
    """A folder of trust.

    store = TrustStore(Path("/etc/edge-sdk/trust"))
    store.check_signers(sealed)                       # raises SignatureError
    store.check_counter("press-7", 12, 3, sha256)     # raises TrustError for an old one
    store.accept("press-7", 12, 3, sha256)            # once it is installed
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root_file = folder / "root.edget"

    def exists(self) -> bool:
        return self._root_file.exists()

    def root(self) -> Root:
        """Return the root in force.

        Raises:
            TargetNotFoundError: the folder holds none.
            ConfigError, SignatureError: it is damaged.
        """
        return first_root(self._sealed())

    def check_signers(self, sealed: Sealed, what: str = "bundle") -> tuple[str, ...]:
        """Return the keys by which a bundle is believed.

        Raises:
            SignatureError: too few trusted keys signed it.
        """
        return check_signers(sealed, self.root(), "bundle", what)

    def update(self, data: bytes) -> Root:
        """Put the next root in force; the first one is taken as it comes.

        Raises:
            SignatureError, TrustError, ConfigError: it is not a rightful successor; nothing changes.
        """
        sealed = read_sealed(io.BytesIO(data), ROOT)
        with self._locked():
            new = next_root(self.root(), sealed) if self.exists() else first_root(sealed)
            durable.write(self._root_file, data)
        return new

    def amend(self, root: Root, keys: Sequence[PrivateKey]) -> Root:
        """Sign a root (see `with_key`, `without_key`) and put it in force."""
        return self.update(countersign(read_sealed(io.BytesIO(seal(ROOT, encode_root(root), [])), ROOT), keys).head())

    def counter(self, name: str) -> Counter | None:
        """Return what is remembered of an application, or None.

        Raises:
            ConfigError: the file is damaged; nothing is guessed.
        """
        path = self._counter_file(name)
        try:
            data = durable.read(path, 4096)
        except TargetNotFoundError:
            return None
        return canonical.decode(data, Counter, str(path))

    def check_counter(
        self, name: str, counter: int, floor: int, manifest_sha256: str, *, allow_downgrade: bool = False
    ) -> None:
        """Refuse a bundle that is older than the newest one accepted here.

        Args:
            floor: the bundle's own `rollback_floor`; only for the check that it makes sense.
            allow_downgrade: let an older one pass, down to the remembered floor.

        Raises:
            TrustError: it is too old, or another bundle with the same counter.
        """
        known = self.counter(name)
        if floor > counter:
            raise ConfigError(f"{name}: the bundle's rollback floor {floor} is above its own counter {counter}")
        if known is None:
            return
        if counter < known.floor:
            raise TrustError(f"{name}: counter {counter} is below the floor {known.floor} of this device")
        if counter < known.counter and not allow_downgrade:
            raise TrustError(
                f"{name}: counter {counter} is older than {known.counter}, which this device has accepted",
                hint="build it again with a higher --counter",
            )
        if counter == known.counter and manifest_sha256 != known.manifest_sha256:
            raise TrustError(
                f"{name}: another bundle with counter {counter} was accepted already",
                hint="build it with a higher --counter",
            )

    def accept(
        self, name: str, counter: int, floor: int, manifest_sha256: str, *, allow_downgrade: bool = False
    ) -> Counter:
        """Remember a bundle as accepted; the newest counter and the floor only rise."""
        with self._locked():
            self.check_counter(name, counter, floor, manifest_sha256, allow_downgrade=allow_downgrade)
            known = self.counter(name) or Counter(0, manifest_sha256, 0)
            newest = manifest_sha256 if counter >= known.counter else known.manifest_sha256
            state = Counter(max(counter, known.counter), newest, max(floor, known.floor))
            path = self._counter_file(name)
            _make_folder(path.parent)
            durable.write(path, canonical.encode(state))
        return state

    def _sealed(self) -> Sealed:
        hint = "edge-sdk bundle keys trust ROOT.pub --role root --key ROOT.pem --trust DIR"
        try:
            data = durable.read(self._root_file, MAX_ROOT_BYTES)
        except TargetNotFoundError:
            raise TargetNotFoundError(f"{self.folder}: holds no trust root", hint=hint) from None
        return read_sealed(io.BytesIO(data), ROOT, str(self._root_file))

    def _counter_file(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise ConfigError(f"{name[:80]!r} is no name of an application")
        return self.folder / "counters" / f"{name}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time change the folder."""
        _make_folder(self.folder)
        try:
            handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise durable.write_error(self.folder, fault) from fault
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BusyError(f"{self.folder}: another process is changing it") from None
            yield
        finally:
            os.close(handle)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        durable.sync_folder(folder.parent)
    except OSError as fault:
        kind = AccessDeniedError if isinstance(fault, PermissionError) else TransferError
        raise kind(f"{folder}: cannot be made: {fault.strerror}") from fault

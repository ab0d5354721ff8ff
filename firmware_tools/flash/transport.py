"""How a target is reached. A transport starts two things there: a POSIX shell for the probe, and our receiver.

    probe.sh  --(sh -s)-->           key=value lines           no Python needed to say what is missing
    receiver  --(python3 -c ...)-->  framed messages, a lock    lives as long as the connection, which so frees the lock

All transports run the same two programs; they differ in the words before them (nothing, or `ssh HOST`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from subprocess import Popen
from typing import Any, BinaryIO, Protocol

from edge_sdk.errors import EdgeError
from firmware_tools.flash.probe import TargetFacts


class Transport(Protocol):
    """A way to one target.

    Attributes:
        kind: the row of TRANSPORTS.
        target: the target in words, such as "root@10.0.0.7" or a folder.
        words: the options of `edge-sdk flash` and `status` that name this target again ("--host root@10.0.0.7").
        root: what stands for `/` there.
        restarts: whether services can be restarted there (not in a folder).
    """

    kind: str
    target: str
    words: str
    root: str
    restarts: bool

    def probe(self) -> TargetFacts:
        """Ask the machine what it is; changes nothing.

        Raises:
            TargetNotFoundError, AccessDeniedError, TransferError, DeadlineError: it cannot be reached.
        """
        ...

    def start_receiver(self, facts: TargetFacts) -> Popen[bytes]:
        """Start the receiver with pipes to its stdin, stdout and stderr.

        Raises:
            SafetyError: the target has no Python that will do.
            AccessDeniedError: we are neither root there nor may become it.
        """
        ...

    def explain(self, code: int | None, complaint: str) -> EdgeError:
        """Return the error for a receiver that ended, with this exit code and this on stderr, before it began."""
        ...


class Link(Protocol):
    """A receiver that is being spoken to; `with` closes it and so frees its lock."""

    def lock(self, owner: str) -> None:
        """Become the one who changes the target.

        Raises:
            BusyError: another one is; says who and since when.
        """
        ...

    def stored(self, hashes: Sequence[str]) -> dict[str, int]:
        """Return how many bytes of each blob are in the target's store: all, some of an earlier try, or 0."""
        ...

    def put(self, sha256: str, size: int, source: BinaryIO, progress: Callable[[int], None] | None = None) -> None:
        """Send a blob from where an earlier try ended; there its hash is checked and it appears whole or not.

        Args:
            progress: called with the bytes that are there now.

        Raises:
            VerificationError: the hash does not fit; what was sent is thrown away.
            TransferError: the connection or the target's disk failed; trying again goes on from there.
        """
        ...

    def make_site(self, site: str, wheels: Sequence[tuple[str, str]]) -> None:
        """Unpack wheels (file name, sha256) of the store into a site; nothing if it is there already."""
        ...

    def load_agent(self, site: str) -> None:
        """Load the device's side from a site, "" for the packages of the target's Python.

        Raises:
            SafetyError: there is none.
        """
        ...

    def set_agent(self, site: str) -> None:
        """Make a site (or, with "", the system's packages) the device's side from now on, and write `launch`."""
        ...

    def call(self, verb: str, **arguments: Any) -> Any:
        """Call a row of VERBS of the loaded device side; plain JSON values in and out.

        Raises:
            EdgeError: what the device's side complained about, as the class it had there.
        """
        ...

    def close(self) -> None: ...

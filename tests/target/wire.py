"""A wire between ssh and a target: counts what passes and can be cut after any byte.

    with Wire(gateway) as wire:
        edge("flash", "--host", wire.alias, ...)      # wire.ssh_config names the alias
        wire.sent, wire.received

A cut ends every connection at once and refuses new ones until `mend`; `cut_after` counts the bytes of both directions.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from types import TracebackType

from tests.target.gateway import PATIENCE_S, Gateway

CHUNK_BYTES = 16384
#: A reset, so that neither side believes the other ended in order.
RESET = struct.pack("ii", 1, 0)


class Wire:
    """A TCP proxy on a free loopback port; see the module.

    Attributes:
        alias: the target through this wire, for `ssh -F ssh_config`.
        sent, received: bytes to and from the target, SSH's own included.
        connections: how many there were.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._target = (gateway.address, 22)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._guard = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._limit: int | None = None
        self._is_cut = False
        self._closed = False
        self.sent = self.received = self.connections = 0
        port = self._listener.getsockname()[1]
        self.alias = f"{gateway.alias}-by-wire-{port}"
        self.ssh_config = gateway.folder / f"ssh_config_{port}"
        plain = gateway.ssh_config.read_text()
        changed = plain.replace(f"Host {gateway.alias}\n", f"Host {self.alias}\n")
        self.ssh_config.write_text(changed.replace(f"HostName {gateway.address}", f"HostName 127.0.0.1\n  Port {port}"))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self.cut()
        socket.create_connection(self._listener.getsockname()).close()  # wakes the thread that accepts
        self._thread.join(PATIENCE_S)
        self._listener.close()

    @property
    def passed(self) -> int:
        return self.sent + self.received

    def cut_after(self, count: int) -> None:
        """Cut when so many more bytes have passed."""
        with self._guard:
            self._limit = self.passed + count

    def cut(self) -> None:
        """Reset every connection; new ones are refused."""
        with self._guard:
            self._is_cut = True
            self._limit = None
            for pair in self._pairs:
                for end in pair:
                    _reset(end)

    def mend(self) -> None:
        """Let connections pass again, without a limit."""
        with self._guard:
            self._is_cut = False
            self._limit = None

    @property
    def is_cut(self) -> bool:
        return self._is_cut

    def _accept(self) -> None:
        while not self._closed:
            near, _ = self._listener.accept()
            if self._is_cut:
                _reset(near)
                near.close()
                continue
            self.connections += 1
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._target, PATIENCE_S)
        except OSError:
            _reset(near)
            near.close()
            return
        pair = (near, far)
        with self._guard:
            self._pairs.add(pair)
        try:
            while self._pass(near, far):
                pass
        except OSError:
            pass
        finally:
            with self._guard:
                self._pairs.discard(pair)
            for end in pair:
                end.close()

    def _pass(self, near: socket.socket, far: socket.socket) -> bool:
        """Carry what has come on either end; False at the end of both."""
        ready, _, _ = select.select([near, far], [], [])
        for end in ready:
            data = end.recv(CHUNK_BYTES)
            other = far if end is near else near
            allowed = self._count(len(data), outward=end is near)
            other.sendall(data[:allowed])
            if allowed < len(data):
                self.cut()
                return False
            if not data:
                return False
        return True

    def _count(self, size: int, *, outward: bool) -> int:
        """Return how many of these bytes may pass."""
        with self._guard:
            allowed = size if self._limit is None else min(size, max(0, self._limit - self.passed))
            if outward:
                self.sent += allowed
            else:
                self.received += allowed
            return allowed


def _reset(end: socket.socket) -> None:
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass

"""The network between the line and its broker: gone, lossy, slow. The line runs in a network namespace of its own.

namespace: edge-sdk run --veth 10.203.77.2 ... 10.203.77.1-- mosquitto, subscriber
"""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

from tests.broker import until
from tests.faults.line import RETRY, Figures, Line
from tests.support import require_tool

HERE, THERE = "10.203.77.1", "10.203.77.2"
PATIENCE_S = 60.0


class Network:
    """A namespace with one cable; needs root, iproute2 and nftables."""

    def __init__(self) -> None:
        self.name = "edge-faults"
        self._ip, self._nft = require_tool("ip", "iproute2"), require_tool("nft", "nftables")
        self._tc = require_tool("tc", "iproute2")

    def __enter__(self) -> Network:
        self._quietly(self._ip, "netns", "del", self.name)  # of a run that was killed
        self._quietly(self._ip, "link", "del", "edgefaults0")
        self._run(self._ip, "netns", "add", self.name)
        try:
            self._run(self._ip, "link", "add", "edgefaults0", "type", "veth", "peer", "name", "edgefaults1")
            self._run(self._ip, "link", "set", "edgefaults1", "netns", self.name)
            self._run(self._ip, "addr", "add", f"{HERE}/30", "dev", "edgefaults0")
            self._run(self._ip, "link", "set", "edgefaults0", "up")
            for command in (f"addr add {THERE}/30 dev edgefaults1", "link set edgefaults1 up", "link set lo up"):
                self._inside(self._ip, *command.split())
            self._inside(self._nft, "add", "table", "inet", "f")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *arguments: object) -> None:
        self._quietly(self._ip, "netns", "del", self.name)
        self._quietly(self._ip, "link", "del", "edgefaults0")

    @property
    def prefix(self) -> list[str]:
        """What makes a command run there."""
        return [self._ip, "netns", "exec", self.name]

    def down(self) -> None:
        self._inside(self._ip, "link", "set", "edgefaults1", "down")

    def up(self) -> None:
        self._inside(self._ip, "link", "set", "edgefaults1", "up")

    def loss(self, percent: int) -> None:
        """Drop so many of a hundred packets, in both directions."""
        self._inside(self._nft, "flush", "table", "inet", "f")
        for hook in ("input", "output"):
            self._inside(self._nft, "add", "chain", "inet", "f", hook, f"{{ type filter hook {hook} priority 0; }}")
            rule = f"meta l4proto tcp numgen random mod 100 < {percent} drop"
            self._inside(self._nft, "add", "rule", "inet", "f", hook, *rule.split())

    def slow(self, kbit_per_s: int) -> None:
        limit = f"qdisc replace dev edgefaults1 root tbf rate {kbit_per_s}kbit burst 2kb latency 500ms"
        self._inside(self._tc, *limit.split())

    def fast(self) -> None:
        self._inside(self._tc, *["qdisc", "del", "dev", "edgefaults1", "root"])

    def _inside(self, *command: str) -> None:
        self._run(*self.prefix, *command)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

    def _quietly(self, *command: str) -> None:
        subprocess.run(command, capture_output=True)


def partition(folder: Path, count: int, seed: int) -> Figures:
    """The cable is pulled for 1 to 10 s; the time until messages flow again is measured."""
    chance = random.Random(seed)
    with Network() as network, _line(folder, network) as line:
        line.start()
        line.until_accepted(50)
        recovery_s = []
        for _ in range(count):
            time.sleep(chance.uniform(0.5, 2.0))
            line.fault()
            network.down()
            time.sleep(chance.uniform(1.0, 10.0))
            network.up()
            recovery_s.append(_until_flowing(line))
        return _audited(line, "partition", seed, count, recovery_s_most=round(max(recovery_s), 1))


def loss(folder: Path, count: int, seed: int) -> Figures:
    """1 to 20 % of the packets are lost, for 5 s each time."""
    chance = random.Random(seed)
    with Network() as network, _line(folder, network) as line:
        line.start()
        line.until_accepted(50)
        for _ in range(count):
            line.fault()
            network.loss(chance.randint(1, 20))
            time.sleep(5.0)
        network.loss(0)
        recovery_s = _until_flowing(line)
        return _audited(line, "loss", seed, count, recovery_s_most=round(recovery_s, 1))


def slow(folder: Path, count: int, seed: int) -> Figures:
    """64 kbit/s for 5 s each time: a tenth of what the line makes."""
    with Network() as network, _line(folder, network) as line:
        line.start()
        line.until_accepted(50)
        recovery_s = []
        for _ in range(count):
            line.fault()
            network.slow(64)
            time.sleep(5.0)
            network.fast()
            recovery_s.append(_until_flowing(line))
        return _audited(line, "slow", seed, count, recovery_s_most=round(max(recovery_s), 1))


def _line(folder: Path, network: Network) -> Line:
    return Line(folder, rate_hz=1000, options=RETRY, host=HERE, prefix=network.prefix)


def _until_flowing(line: Line) -> float:
    """Wait until a message arrives that was accepted from now on; return how long that took."""
    began_s = time.monotonic()
    last = (line.accepted() or [0])[-1]
    until(lambda: any(number > last for _, number, _ in line.received()[-200:]), "messages flow", PATIENCE_S)
    return time.monotonic() - began_s


def _audited(line: Line, fault: str, seed: int, count: int, **more: float) -> Figures:
    time.sleep(2.0)
    line.drain()
    return line.audit(fault, seed, count, **more)

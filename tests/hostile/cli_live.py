"""What goes wrong while a pipeline runs, for test_cli.py: cables, brokers, signals, readers of stdout.

Each scenario takes a Bench, does its harm to a running `edge-sdk`, and returns how the command ended.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from edge_sdk.sim.serial_link import FrameFormat
from tests.broker import Subscriber, mosquitto, until
from tests.hostile.cli_pipelines import GOOD, MQTT, SERIAL
from tests.hostile.cli_process import TIMEOUT_S, Bench, Done, finish

FRAMES = 'frame = { format = "<H60h", sync = "a55a", crc = "crc16-ccitt", seq = 0 }\nchannels = [{ name = "x" }]'
LINES = "text = { columns = [0] }"
STOPS = {signal.SIGINT: 130, signal.SIGTERM: 0}


class Pty:
    """The far end of a serial line, behind a link of its own name, so that it can be pulled out and put back."""

    def __init__(self, name: Path) -> None:
        self._name = name
        self.plug()

    def plug(self) -> None:
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        os.set_blocking(self._far, False)
        self._name.unlink(missing_ok=True)
        self._name.symlink_to(os.ttyname(self._near))

    def pull(self) -> None:
        os.close(self._far)
        os.close(self._near)
        self._name.unlink()

    def write(self, data: bytes) -> None:
        """Write everything; fails when nobody reads for long."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while data:
            assert time.monotonic() < deadline_s, "nobody reads the serial line"
            if select.select([], [self._far], [], 0.1)[1]:
                data = data[os.write(self._far, data) :]


@contextmanager
def serial_line(bench: Bench, name: str, options: str) -> Iterator[tuple[Pty, str]]:
    """A pty and the pipeline file that reads it."""
    line = Pty(bench.folder / f"{name}.port")
    file = f"{name}.toml"
    (bench.folder / file).write_text(SERIAL.format(port=bench.folder / f"{name}.port", options=options))
    try:
        yield line, file
    finally:
        line.pull()


def read_lines(process: subprocess.Popen[bytes], count: int) -> bytes:
    """Wait for lines on stdout; `communicate` gives the rest."""
    assert process.stdout is not None
    found = b""
    while found.count(b"\n") < count:
        assert select.select([process.stdout], [], [], TIMEOUT_S)[0], "no results"
        piece = os.read(process.stdout.fileno(), 1)  # no more than the line: the rest belongs to `communicate`
        assert piece, f"ended early: {process.stderr.read().decode() if process.stderr else ''}"
        found += piece
    return found


def wait_for_words(process: subprocess.Popen[bytes], words: bytes) -> bytes:
    """Wait until stderr has said something."""
    assert process.stderr is not None
    found = b""
    while words not in found:
        assert select.select([process.stderr], [], [], TIMEOUT_S)[0], f"does not say {words!r}: {found!r}"
        piece = os.read(process.stderr.fileno(), 4096)
        assert piece, f"ended without {words!r}: {found!r}"
        found += piece
    return found


def end(process: subprocess.Popen[bytes], out: bytes = b"", err: bytes = b"") -> Done:
    """Wait for the end, with what was read before in front."""
    done = finish(process)
    return Done(done.argv, done.code, out + done.out, err.decode() + done.err)


# ---- serial ----


def started(bench: Bench, file: str, *options: str) -> tuple[subprocess.Popen[bytes], bytes]:
    """Start a pipeline and wait until its port is open: what was sent before is thrown away, as from a real line."""
    process = bench.start("run", file, "--json", *options)
    return process, wait_for_words(process, b": running")


def port_vanishes_and_that_is_the_end(bench: Bench) -> Done:
    with serial_line(bench, "vanish", f'{LINES}\non_lost = "stop"') as (line, file):
        process, err = started(bench, file)
        line.write(b"1.5\n" * 40)
        out = read_lines(process, 2)
        line.pull()
        try:
            return end(process, out, err)
        finally:
            line.plug()


def port_vanishes_and_comes_back(bench: Bench) -> Done:
    with serial_line(bench, "back", LINES) as (line, file):
        process, err = started(bench, file, "--max-results", "3")
        line.write(b"1.5\n" * 24)
        out = read_lines(process, 1)
        line.pull()
        err += wait_for_words(process, b"waiting for it to come back")
        line.plug()
        err += wait_for_words(process, b"is back")
        line.write(b"2.5\n" * 80)
        return end(process, out, err)


def port_vanishes_for_good(bench: Bench) -> Done:
    with serial_line(bench, "gone", LINES) as (line, file):
        process, err = started(bench, file)
        line.write(b"1.5\n" * 24)
        out = read_lines(process, 1)
        line.pull()
        err += wait_for_words(process, b"waiting for it to come back")
        process.send_signal(signal.SIGTERM)
        try:
            return end(process, out, err)
        finally:
            line.plug()


def garbage_then_frames(bench: Bench) -> Done:
    noise = np.random.default_rng(3).bytes(60_000) + b"\xa5\x5a" * 200
    frames = b"".join(FrameFormat().encode(np.zeros(60 * 20, np.float32), 0))
    with serial_line(bench, "noise", FRAMES) as (line, file):
        process, err = started(bench, file, "--max-results", "20")
        line.write(noise + frames)
        return end(process, err=err)


def garbage_on_a_text_line(bench: Bench) -> Done:
    noise = np.random.default_rng(4).bytes(30_000) + b"x" * 20_000 + b"\n1_0\n1,2\nnan\n1e999\n0x10\n\xff\n\n"
    with serial_line(bench, "text-noise", LINES) as (line, file):
        process, err = started(bench, file, "--max-results", "1")
        line.write(noise + b"1.5\n" * 64)
        return end(process, err=err)


def nothing_but_garbage(bench: Bench) -> Done:
    with serial_line(bench, "only-noise", FRAMES) as (line, file):
        process, err = started(bench, file, "--duration", "1")
        line.write(np.random.default_rng(5).bytes(20_000))
        return end(process, err=err)


def second_reader_of_a_port(bench: Bench) -> Done:
    with serial_line(bench, "shared", LINES) as (_, file):
        first, _ = started(bench, file)
        done = bench.run("run", file)
        first.terminate()
        finish(first)
        return done


# ---- brokers ----


@contextmanager
def false_broker(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on a free port that treats each connection in its own bad way."""
    server = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def accept() -> None:
        while server.fileno() >= 0:
            with suppress(OSError):  # ours when the server closes, theirs when they hang up first
                peer, _ = server.accept()
                kept.append(peer)
                serve(peer)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(server.getsockname()[1])
    finally:
        server.close()
        for peer in kept:
            peer.close()


def _hang_up(peer: socket.socket) -> None:
    peer.close()


def _reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def _garbage(peer: socket.socket) -> None:
    peer.recv(1000)
    peer.sendall(np.random.default_rng(6).bytes(500))


def _web(peer: socket.socket) -> None:
    peer.recv(1000)
    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    peer.close()


def _silence(peer: socket.socket) -> None:
    """Say nothing."""


FALSE_BROKERS: dict[str, Callable[[socket.socket], None]] = {
    "hangs-up": _hang_up,
    "resets": _reset,
    "garbage": _garbage,
    "web-server": _web,
    "silent": _silence,
}


def absent_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def with_broker(bench: Bench, name: str, port: int, *, required: bool) -> Done:
    file = f"broker-{name}-{required}.toml"
    (bench.folder / file).write_text(GOOD + MQTT.format(port=port, required=str(required).lower()))
    return bench.run("run", file)


def with_false_broker(bench: Bench, kind: str, *, required: bool) -> Done:
    with false_broker(FALSE_BROKERS[kind]) as port:
        return with_broker(bench, kind, port, required=required)


def stopped_while_waiting_for_a_broker(bench: Bench, number: signal.Signals) -> tuple[Done, float]:
    """Return also the seconds from the signal to the end; the broker is waited for 30 s."""
    connected = threading.Event()
    with false_broker(lambda peer: connected.set()) as port:
        file = f"waits-{number.name}.toml"
        text = MQTT.format(port=port, required="true").replace("connect_timeout_s = 1.5", "connect_timeout_s = 30")
        (bench.folder / file).write_text(GOOD + text)
        process = bench.start("run", file)
        assert connected.wait(TIMEOUT_S)
        process.send_signal(number)
        began_s = time.monotonic()
        return end(process), time.monotonic() - began_s


def stopped_with_results_for_a_broker(bench: Bench) -> tuple[Done, int]:
    """Return also how many results reached an independent subscriber."""
    folder = bench.folder / "mosquitto"
    folder.mkdir()
    with mosquitto(folder) as broker:
        subscriber = Subscriber(broker.port)
        file = bench.folder / "delivers.toml"
        endless = GOOD.replace("speed = 0", "speed = 4\nloop = true")
        file.write_text(endless + MQTT.format(port=broker.port, required="true"))
        process = bench.start("run", file.name, "--json")
        out = read_lines(process, 5)
        process.send_signal(signal.SIGTERM)
        done = end(process, out)
        topic, status = "edge/bench/motor/alarm", "edge/bench/motor/status"
        until(lambda: b"offline" in subscriber.payloads(status), "the pipeline says goodbye")
        delivered = len(subscriber.payloads(topic))
        subscriber.close()
        return done, delivered


# ---- signals and streams ----


def stopped_while_running(bench: Bench, number: signal.Signals) -> Done:
    process = bench.start("run", "endless.toml", "--json")
    out = read_lines(process, 3)
    process.send_signal(number)
    return end(process, out)


def stdout_is_closed_early(bench: Bench, *argv: str) -> Done:
    """Read one line and go away, as `| head -1` does."""
    process = bench.start(*argv)
    line = read_lines(process, 1)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    try:
        _, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{argv} goes on without a reader") from None
    return Done(argv, process.returncode, line, err.decode())

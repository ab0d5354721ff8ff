"""The operator's end of a receiver (firmware_tools.update.receiver draws the frames).

The other end may be hostile, hang, or vanish: every answer is bounded, every wait has an end, and nothing it says is
believed further than its type. After a lost connection or an answer that makes no sense the link is of no more use;
another one goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, BinaryIO

from edge_sdk import errors
from edge_sdk.errors import DeadlineError, EdgeError, TransferError, VerificationError
from edge_sdk.units import printable
from firmware_tools.flash.probe import TargetFacts
from firmware_tools.flash.process import PATIENCE_S, Program, Silence, last_words
from firmware_tools.flash.receiver_program import receiver_program
from firmware_tools.flash.transport import Transport
from firmware_tools.update.launcher import launch_script
from firmware_tools.update.receiver import AGAIN, BEAT, DATA, HEADER, HELLO, JSON, MOST_JSON

#: What a login may say before the receiver does.
MOST_NOISE = 1 << 16
#: Of a blob, in one frame: the steps of its progress.
PIECE_BYTES = 1 << 18
#: The receiver gives a sign of life every two seconds.
SILENCE_S = 60.0
START_S = 60.0
MOST_SITE_NAME = 64
#: The receiver leaves when it hears nothing of us for a minute.
PING_S = 10.0
#: Altogether, signs of life or not.
LIMITS_S = {"lock": 60.0, "stored": 120.0, "load_agent": 600.0, "set_agent": 600.0, "make_site": 3600.0, "call": 3600.0}
PUT_LIMIT_S = 3600.0


class ReceiverLink:
    """A receiver that is being spoken to; `with` ends it and so frees its lock.

    with open_link(transport, transport.probe()) as link:
        link.lock("ann@laptop")

    Attributes:
        facts: what the probe has said of the target.
        agent: the site of the target's own device side; "" for none.
    """

    def __init__(
        self,
        program: Program,
        facts: TargetFacts,
        target: str,
        explain: Callable[[int | None, str], EdgeError],
        *,
        silence_s: float = SILENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.facts = facts
        self._program, self._target, self._explain = program, target, explain
        self._silence_s, self._clock = silence_s, clock
        self._buffer = bytearray()
        self._writing = threading.Lock()
        self._greeted = self._broken = self._asked = False
        self._closed = threading.Event()
        try:
            self.agent = self._greet()
        except BaseException:
            self.close()
            raise
        self._pinging = threading.Thread(target=self._ping, daemon=True)
        self._pinging.start()

    # -- what Link promises ----------------------------------------------------------------------------------------

    def lock(self, owner: str) -> None:
        """Become the one who changes the target; see `Link`."""
        self._request("lock", owner=owner[:200])

    def stored(self, hashes: Sequence[str]) -> dict[str, int]:
        """Return how many bytes of each blob are there; see `Link`."""
        answer = self._request("stored", hashes=list(hashes))
        if not isinstance(answer, dict):
            raise self._nonsense(answer)
        sizes = {sha256: answer.get(sha256) for sha256 in hashes}
        if not all(type(size) is int and size >= 0 for size in sizes.values()):
            raise self._nonsense(answer)
        return {sha256: int(size or 0) for sha256, size in sizes.items()}

    def put(self, sha256: str, size: int, source: BinaryIO, progress: Callable[[int], None] | None = None) -> None:
        """Send a blob from where an earlier try ended; see `Link`."""
        begin = source.tell()
        for first in (True, False):
            at = self._begin_put(sha256, size)
            try:
                source.seek(begin + at)
                self._send_blob(at, size, source, progress or _unseen)
                return
            except VerificationError:
                # What an earlier try left was not what it had sent, as after a power cut: once more from the start.
                if self._broken or at == 0 or not first:
                    raise

    def make_site(self, site: str, wheels: Sequence[tuple[str, str]]) -> None:
        """Unpack wheels of the store; see `Link`."""
        self._request("make_site", site=site, wheels=[list(one) for one in wheels])

    def load_agent(self, site: str) -> None:
        """Load the device's side; see `Link`."""
        self._request("load_agent", site=site)

    def set_agent(self, site: str) -> None:
        """Make a site the device's side from now on; see `Link`."""
        # Packages that came along are for the Python there; without them, those of this command's own are meant.
        python = (self.facts.own_python if site else "") or self.facts.python_path
        self._request("set_agent", site=site, launch=launch_script(python))

    def call(self, verb: str, **arguments: Any) -> Any:
        """Call a verb of the device's side; see `Link`."""
        return self._request("call", verb=verb, arguments=arguments)

    def close(self, patience_s: float = PATIENCE_S) -> None:
        """End the receiver."""
        self._closed.set()
        with self._writing:  # nobody is in the middle of a write to what is closed now
            self._program.end_input()
        self._program.close(patience_s)

    def __enter__(self) -> ReceiverLink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- blobs -----------------------------------------------------------------------------------------------------

    def _begin_put(self, sha256: str, size: int) -> int:
        self._ask("put", sha256=sha256, size=size)
        until_s = self._clock() + PUT_LIMIT_S
        return self._position(self._message(until_s), size)

    def _send_blob(self, at: int, size: int, source: BinaryIO, progress: Callable[[int], None]) -> None:
        """Send what is missing while listening: the target may refuse the rest at any moment."""
        progress(at)
        left, over, owed = size - at, False, 0
        try:
            while left and not over and (data := self._piece(source, min(left, PIECE_BYTES))):
                self._send(DATA, data)
                left, owed = left - len(data), owed + 1
                while not over and self._readable():
                    over, owed = self._heard(size, progress, SILENCE_S, owed), owed - 1
        except EdgeError:
            if not self._broken:
                self._send(DATA)
            raise
        self._send(DATA)
        while not over:
            over, owed = self._heard(size, progress, PUT_LIMIT_S, owed), owed - 1

    def _heard(self, size: int, progress: Callable[[int], None], limit_s: float, owed: int) -> bool:
        """Take one message about a blob; return whether it was the last, and all is well.

        Args:
            owed: how many pieces were not answered yet; there is one answer to each, so that they come to an end.
        """
        message = self._message(self._clock() + limit_s)
        if "at" not in message:
            self._settled(message)
            return True
        if owed < 1:
            raise self._nonsense(message)
        progress(self._position(message, size))
        return False

    def _position(self, message: dict[str, Any], size: int) -> int:
        if "at" not in message:
            self._settled(message)
        at = message.get("at")
        if type(at) is not int or not 0 <= at <= size:
            raise self._nonsense(message)
        return at

    def _piece(self, source: BinaryIO, most: int) -> bytes:
        try:
            return source.read(most)
        except OSError as fault:
            self._give_up()
            raise TransferError(f"what is sent cannot be read: {fault.strerror or fault}") from fault

    def _readable(self) -> bool:
        """Return whether something of the next message is here."""
        if not self._buffer:
            with contextlib.suppress(Silence):
                self._buffer += self._program.read(0)
        return bool(self._buffer)

    # -- messages --------------------------------------------------------------------------------------------------

    def _request(self, op: str, **fields: Any) -> Any:
        self._ask(op, **fields)
        return self._settled(self._message(self._clock() + LIMITS_S[op]))

    def _ask(self, op: str, **fields: Any) -> None:
        if self._broken or self._asked:  # who was interrupted would take an old answer for a new one
            raise TransferError(f"{self._target}: the connection was lost", hint=AGAIN)
        payload = json.dumps({"op": op, **fields}).encode()
        if len(payload) > MOST_JSON:
            raise TransferError(f"{op}: {len(payload):,} bytes are too much for one question")
        self._asked = True
        self._send(JSON, payload)

    def _settled(self, message: dict[str, Any]) -> Any:
        """Return what was asked for, or raise what the target complains about."""
        self._asked = False
        if "ok" in message:
            return message["ok"]
        if isinstance(report := message.get("error"), dict):
            raise _error(report)
        raise self._nonsense(message)

    def _message(self, until_s: float) -> dict[str, Any]:
        while True:
            kind, size = HEADER.unpack(self._take(HEADER.size, until_s))
            if kind == BEAT and size == 0:
                continue
            if kind != JSON or size > MOST_JSON:
                raise self._nonsense((kind, size))
            payload = self._take(size, until_s)
            try:
                message = json.loads(payload, parse_constant=_no_number)
            except (ValueError, RecursionError):
                raise self._nonsense(payload[:80]) from None
            if not isinstance(message, dict):
                raise self._nonsense(message)
            return message

    def _take(self, size: int, until_s: float) -> bytes:
        while len(self._buffer) < size:
            self._more(until_s)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _more(self, until_s: float) -> None:
        left_s = until_s - self._clock()
        if left_s <= 0:  # who says nothing but "I am here" would be listened to for ever
            raise self._silent()
        try:
            data = self._program.read(min(self._silence_s, left_s))
        except Silence:
            raise self._silent() from None
        if not data:
            raise self._dropped()
        self._buffer += data

    def _send(self, kind: bytes, payload: bytes = b"") -> None:
        try:
            with self._writing:
                self._program.write(HEADER.pack(kind, len(payload)) + payload, self._silence_s)
        except Silence:
            raise self._silent() from None
        except OSError:
            raise self._dropped() from None

    def _greet(self) -> str:
        """Send the receiver, wait for it, and return the target's installed site."""
        try:
            self._program.write(receiver_program(), self._silence_s)
        except Silence:
            raise self._silent() from None
        except OSError:
            raise self._dropped() from None
        until_s = self._clock() + START_S
        while (place := self._buffer.find(HELLO)) < 0:
            if len(self._buffer) > MOST_NOISE:
                raise self._nonsense(bytes(self._buffer[:80]))
            self._more(until_s)
        del self._buffer[: place + len(HELLO)]
        agent = self._message(until_s).get("agent")
        self._greeted = True
        return agent if isinstance(agent, str) and len(agent) <= MOST_SITE_NAME and agent.isalnum() else ""

    def _ping(self) -> None:
        """Tell the receiver that we are still here, whenever nothing else does."""
        while not self._closed.wait(PING_S):
            if self._writing.acquire(blocking=False):
                try:
                    if not self._closed.is_set():
                        self._program.write(HEADER.pack(BEAT, 0), 1.0)
                except (OSError, Silence):
                    return
                finally:
                    self._writing.release()

    # -- the end ---------------------------------------------------------------------------------------------------

    def _give_up(self) -> None:
        """End what could not be gone on with; that frees the target's lock."""
        self._broken = True
        self.close(0.2)

    def _dropped(self) -> EdgeError:
        self._broken = True
        code, complaint = self._program.wait(PATIENCE_S), self._program.complaint()
        if not self._greeted:
            return self._explain(code, complaint)
        text, words = f"{self._target}: the connection was lost", last_words(complaint)
        return TransferError(f"{text}: {words}" if words else text, hint=AGAIN)

    def _silent(self) -> EdgeError:
        self._give_up()
        return DeadlineError(f"{self._target}: says nothing any more", hint=AGAIN)

    def _nonsense(self, what: object) -> EdgeError:
        self._give_up()
        return VerificationError(f"{self._target}: its answer makes no sense: {_plain(repr(what), 120)}")


def open_link(transport: Transport, facts: TargetFacts) -> ReceiverLink:
    """Start a receiver and return the link to it.

    Raises:
        EdgeError: it cannot be started.
    """
    program = Program(transport.start_receiver(facts))
    return ReceiverLink(program, facts, transport.target, transport.explain)


def _error(report: dict[str, Any]) -> EdgeError:
    """Return the error that a target has complained with, as the class it had there."""
    name, message, hint = (report.get(key) for key in ("class", "message", "hint"))
    kind = getattr(errors, name, None) if isinstance(name, str) else None
    if not (isinstance(kind, type) and issubclass(kind, EdgeError)):
        kind = VerificationError
    return kind(_plain(message, 4000) or "the target complains without a word", hint=_plain(hint, 1000))


def _plain(text: object, most: int) -> str:
    """Return text of a target that does nothing to a terminal, and cannot pass for another line of ours."""
    return printable(text[:most]).replace("\n", " ") if isinstance(text, str) else ""


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _unseen(_bytes: int) -> None:
    pass

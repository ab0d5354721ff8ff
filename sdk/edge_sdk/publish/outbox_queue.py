"""What an outbox has in memory: who goes next, who is out, who may be forgotten. No thread, no file, no clock.

    put --> arrived --committed--> live ----> take --> out --settle--> gone --committed--> forgotten
                                    | older than LIVE_S, or too many     |
                                    '--> backlog: cursor < number < end <' put_back

Without a disk messages are `volatile`: they are live at once, the newest so many of them, and are offered to the disk
when it is back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from edge_sdk.publish.outbox_records import Change, Message, Outcome

#: Messages sent and not yet deleted.
WINDOW = 100
#: A message older than this no longer goes before those that waited longer.
LIVE_S = 0.8
#: Messages on disk that are also held in memory, to go out without being read.
LIVE_MESSAGES = 2000
#: Messages of one transaction.
BATCH = 2000


@dataclass(frozen=True)
class Piece:
    """What to read of the backlog: up to `wanted` rows with after < number < before, those in `busy` left out."""

    after: int
    before: int
    wanted: int
    busy: frozenset[int]

    @property
    def limit(self) -> int:
        return self.wanted + len(self.busy)


class OutboxQueue:
    """The queue; the caller holds a lock around each call.

    Args:
        ring: messages kept in memory while there is no disk, or while it hangs.
        backlog_rate_hz: of what waited, 0 for no limit.

    Attributes:
        has_disk: what is put goes to the disk first.
        dropped, damaged, dead: figures of this run.
        stored: messages on disk, those of `gone` included.
    """

    def __init__(self, ring: int, backlog_rate_hz: float) -> None:
        self.has_disk = True
        self.dropped = self.damaged = self.dead = 0
        self.stored = 0
        self._ring = ring
        self._rate_hz = backlog_rate_hz
        self._arrived: deque[Message] = deque()
        self._committing = 0
        self._live: deque[Message] = deque()
        self._volatile: dict[int, Message] = {}
        self._out: dict[int, Message] = {}
        self._gone: dict[int, Message] = {}
        self._letters: list[tuple[Message, str]] = []
        self._untold = {"dropped": 0, "damaged": 0}
        self._cursor, self._end = -1, 0
        self._next_s = 0.0

    # The producer.

    def put(self, message: Message) -> None:
        if not self.has_disk:
            self._keep(message)
            return
        self._arrived.append(message)
        if len(self._arrived) > self._ring:  # the disk hangs
            self.drop(self._arrived.popleft())

    def drop(self, message: Message) -> None:
        """Count a message as lost for want of room."""
        message.settled = True
        self.dropped += 1
        self._untold["dropped"] += 1

    # The sender.

    def take(self, room: int, reserve: int, now_s: float) -> tuple[list[Message], Piece | None]:
        """Return live messages to be sent, and what may be read of the backlog beside them.

        Args:
            room: messages that may be sent.
            reserve: of these, for live ones only.
        """
        self._shed(now_s - LIVE_S)
        room = min(room, WINDOW - len(self._out))
        taken: list[Message] = []
        while self._live and len(taken) < room:
            message = self._live.popleft()
            if not message.settled:
                message.historical = now_s - message.since_s > LIVE_S
                taken.append(message)
        self._out.update((message.number, message) for message in taken)
        wanted = min(room - len(taken) - reserve, self._allowance(now_s))
        if wanted <= 0 or not self.has_backlog:
            return taken, None
        return taken, Piece(self._cursor, self._end, wanted, frozenset(self._out.keys() | self._gone.keys()))

    def was_read(self, piece: Piece, found: list[Message], damaged: list[Message]) -> list[Message]:
        """Return those of a piece of the backlog that go out."""
        fresh = [message for message in found if message.number not in piece.busy]
        reached = piece.before - 1
        if len(fresh) > piece.wanted:
            fresh = fresh[: piece.wanted]
            reached = fresh[-1].number
        elif len(found) + len(damaged) >= piece.limit:
            reached = max(message.number for message in (*found, *damaged))
        if self._cursor >= piece.after:  # else it was set back meanwhile
            self._cursor = max(self._cursor, reached)
        self._out.update((message.number, message) for message in fresh)
        for message in damaged:
            if message.number <= reached and message.number not in piece.busy:
                self._gone[message.number] = message
                self.count_damage(1)
        if self._rate_hz:
            self._next_s += len(fresh) / self._rate_hz
        return fresh

    def count_damage(self, messages: int) -> None:
        """Count messages that the disk did not give back."""
        self.damaged += messages
        self._untold["damaged"] += messages

    def settle(self, message: Message, dead: str) -> None:
        if message.settled:
            return
        message.settled = True
        if dead:
            self.dead += 1
            self._letters.append((message, dead))
        self._volatile.pop(message.number, None)
        if message.durable:
            self._gone[message.number] = message
        else:
            self._out.pop(message.number, None)

    def put_back(self, messages: Iterable[Message]) -> None:
        for message in sorted(messages, key=lambda one: -one.number):
            if message.settled or self._out.pop(message.number, None) is None:
                continue
            if message.durable:
                self._cursor = min(self._cursor, message.number - 1)
                self._end = max(self._end, message.number + 1)
            else:
                self._live.appendleft(message)

    def pause_backlog(self, until_s: float) -> None:
        """Leave the backlog alone for a while."""
        self._next_s = max(self._next_s, until_s)

    def wait_s(self, now_s: float) -> float:
        """Return how long until `take` may have more, if nothing else happens."""
        if not self.has_backlog or len(self._out) >= WINDOW:
            return 60.0
        return max(0.0, self._next_s - now_s)

    # The writer.

    @property
    def has_work(self) -> bool:
        return bool(self._arrived or self._gone or self._letters or self._volatile or any(self._untold.values()))

    def change(self) -> Change:
        """Return the next transaction."""
        arrived = list(self._volatile.values())[:BATCH]
        self._committing = min(len(self._arrived), BATCH - len(arrived))
        arrived += [self._arrived.popleft() for _ in range(self._committing)]
        letters, self._letters = self._letters, []
        untold, self._untold = self._untold, {"dropped": 0, "damaged": 0}
        gone = tuple(self._gone.values())
        return Change(arrived, gone, letters, untold["dropped"], untold["damaged"], frozenset(self._out))

    def failed(self, change: Change) -> None:
        """The transaction came to nothing."""
        self._committing = 0
        self._arrived.extendleft(message for message in reversed(change.arrived) if not self._is_volatile(message))
        self._letters = [*change.dead, *self._letters]
        self._untold["dropped"] += change.dropped
        self._untold["damaged"] += change.damaged

    def committed(self, change: Change, outcome: Outcome, stored: int) -> None:
        """The transaction is on the disk."""
        self.stored, self._committing = stored, 0
        self.dropped += len(outcome.refused) + len(outcome.victims)
        for message in change.gone:
            self._gone.pop(message.number, None)
            self._out.pop(message.number, None)
        for message in outcome.accepted:
            message.durable = True
            if self._volatile.pop(message.number, None) is None and not message.settled:
                self._live.append(message)
            if message.settled:
                self._gone[message.number] = message
        for message in outcome.refused:
            if self._volatile.pop(message.number, None) is not None and message.number in self._out:
                self._not_lost()
            else:
                message.settled = True
        self._give_way(frozenset(outcome.victims))
        self._shed()

    def opened(self, last: int, stored: int) -> None:
        """The file is there: all up to `last` may wait in it."""
        self.stored = stored
        self._cursor, self._end = -1, max(self._end, last + 1)

    def lost_disk(self) -> None:
        """Go on in memory. What is confirmed and still on disk is deleted when the disk is back."""
        self.has_disk = False
        for number in self._gone:
            self._out.pop(number, None)
        arrived, self._arrived = self._arrived, deque()
        for message in arrived:
            self._keep(message)

    def in_memory(self) -> list[Message]:
        """Return all messages in memory that are not settled; from now on they count as volatile."""
        found = [one for one in (*self._out.values(), *self._live, *self._arrived) if not one.settled]
        self._live.extend(self._arrived)
        self._arrived.clear()
        for message in found:
            message.durable = False
        self._volatile = {message.number: message for message in found}
        self._gone.clear()
        return found

    @property
    def has_backlog(self) -> bool:
        return self.has_disk and self._cursor < self._end - 1

    @property
    def waiting(self) -> int:
        """Messages that are not confirmed."""
        return self.kept + len(self._arrived) + self._committing + len(self._volatile)

    @property
    def kept(self) -> int:
        """Those of them that are on disk."""
        return self.stored - len(self._gone)

    def _keep(self, message: Message) -> None:
        self._volatile[message.number] = message
        self._live.append(message)
        if len(self._volatile) > self._ring:
            oldest = next((one for number, one in self._volatile.items() if number not in self._out), message)
            del self._volatile[oldest.number]
            self.drop(oldest)
            while self._live and self._live[0].settled:
                self._live.popleft()

    def _is_volatile(self, message: Message) -> bool:
        return message.settled or message.number in self._volatile

    def _shed(self, young_since_s: float = float("-inf")) -> None:
        """Let go of live messages that are on disk: those before the time, and the oldest when there are too many."""
        while self._live:
            head = self._live[0]
            if not head.settled:
                is_live = len(self._live) <= LIVE_MESSAGES and head.since_s >= young_since_s
                if is_live or not head.durable or not self.has_disk:
                    return
                self._end = max(self._end, head.number + 1)
            self._live.popleft()

    def _allowance(self, now_s: float) -> int:
        """Return how many of those that waited may go now: a tenth of a second's worth at most."""
        if self._next_s > now_s:
            return 0
        if not self._rate_hz:
            return WINDOW
        self._next_s = max(self._next_s, now_s - 0.1)
        return int((now_s - self._next_s) * self._rate_hz) + 1

    def _give_way(self, victims: frozenset[int]) -> None:
        """Victims on disk do not go out from memory either; one that just went out is no loss."""
        if not victims:
            return
        for message in self._live:
            if message.number in victims:
                message.settled = True
        for number in victims & self._gone.keys():
            del self._gone[number]
            self._out.pop(number, None)
            self._not_lost()
        for number in victims & self._out.keys():
            message = self._out[number]
            message.durable = False
            self._volatile[number] = message
            self._not_lost()

    def _not_lost(self) -> None:
        self.dropped -= 1
        self._untold["dropped"] -= 1

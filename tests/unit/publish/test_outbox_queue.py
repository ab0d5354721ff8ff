"""The queue against a model: a disk that is a dictionary, and random histories of what may happen around it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.publish.outbox_queue import LIVE_MESSAGES, LIVE_S, WINDOW, OutboxQueue
from edge_sdk.publish.outbox_records import Change, Message, Outcome

RING = 50


def message(number: int, since_s: float = 0.0) -> Message:
    return Message(number, "t", b"", since_s=since_s)


class World:
    """A queue, its disk and its sender."""

    def __init__(self, max_messages: int = 10_000, backlog_rate_hz: float = 0.0) -> None:
        self.queue = OutboxQueue(RING, backlog_rate_hz)
        self.disk: dict[int, Message] = {}
        self.max_messages = max_messages
        self.now_s = 0.0
        self.last = 0
        self.out: list[Message] = []
        self.accepted: set[int] = set()
        self.delivered: list[int] = []
        self.victims: set[int] = set()

    def put(self, count: int) -> None:
        for _ in range(count):
            self.last += 1
            self.queue.put(message(self.last, self.now_s))

    def commit(self, *, works: bool = True) -> None:
        change = self.queue.change()
        if not works:
            self.queue.failed(change)
            self.queue.lost_disk()
            return
        outcome = self.apply(change)
        self.queue.has_disk = True
        self.queue.committed(change, outcome, len(self.disk))

    def apply(self, change: Change) -> Outcome:
        for one in change.gone:
            self.disk.pop(one.number, None)
        outcome = Outcome()
        for one in change.arrived:
            while len(self.disk) >= self.max_messages:
                victim = next((number for number in sorted(self.disk) if number not in change.spare), None)
                if victim is None:
                    break
                del self.disk[victim]
                outcome.victims.append(victim)
            if len(self.disk) < self.max_messages:
                self.disk[one.number] = one
                outcome.accepted.append(one)
            else:
                outcome.refused.append(one)
        still = [one for one in outcome.accepted if one.number in self.disk]
        self.accepted |= {one.number for one in still}
        self.victims |= set(outcome.victims)
        return outcome

    def take(self, room: int) -> list[Message]:
        taken, piece = self.queue.take(room, 0, self.now_s)
        if piece is not None:
            rows = [n for n in sorted(self.disk) if piece.after < n < piece.before][: piece.limit]
            found = [Message(n, "t", b"", durable=True, historical=True) for n in rows]
            taken += self.queue.was_read(piece, found, [])
        busy = {one.number for one in self.out}
        assert not busy & {one.number for one in taken}, "sent while it is under way"
        self.out += taken
        assert len(self.out) <= WINDOW
        return taken

    def settle(self, count: int) -> None:
        done, self.out = self.out[:count], self.out[count:]
        for one in done:
            self.delivered.append(one.number)
            self.queue.settle(one, "")

    def hang_up(self) -> None:
        self.queue.put_back(self.out)
        self.out = []

    def drain(self) -> None:
        for _ in range(2000):
            self.commit()
            self.now_s += 0.1
            self.take(WINDOW)
            self.settle(WINDOW)
            if not self.queue.waiting and not self.queue.has_work:
                return
        raise AssertionError("it never came to rest")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 30)),
        st.tuples(st.just("take"), st.integers(1, 30)),
        st.tuples(st.just("settle"), st.integers(1, 30)),
        st.tuples(st.just("commit"), st.booleans()),
        st.tuples(st.just("hang up"), st.none()),
        st.tuples(st.just("later"), st.floats(0.0, 2.0)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=60,
)


def play(world: World, steps: list[tuple[str, object]]) -> World:
    for name, value in steps:
        match name:
            case "put":
                world.put(int(value))  # type: ignore[call-overload]
            case "take":
                world.take(int(value))  # type: ignore[call-overload]
            case "settle":
                world.settle(int(value))  # type: ignore[call-overload]
            case "commit":
                world.commit(works=bool(value))
            case "hang up":
                world.hang_up()
            case "later":
                world.now_s += float(value)  # type: ignore[arg-type]
            case "restart":
                world.out = []
                world.queue = OutboxQueue(RING, 0.0)
                world.queue.opened(max(world.disk, default=0), len(world.disk))
    return world


@settings(deadline=None, max_examples=300)
@given(STEPS)
def test_whatever_happens_every_accepted_message_is_delivered(steps: list[tuple[str, object]]) -> None:
    world = play(World(), steps)
    world.drain()
    assert world.accepted <= set(world.delivered)
    assert world.queue.waiting == world.queue.kept == len(world.disk) == 0


@settings(deadline=None, max_examples=300)
@given(STEPS, st.integers(10, 120))
def test_in_a_full_outbox_each_accepted_message_is_delivered_or_counted(
    steps: list[tuple[str, object]], max_messages: int
) -> None:
    world = World(max_messages)
    play(world, [step for step in steps if step[0] != "restart"])
    world.drain()
    missing = set(range(1, world.last + 1)) - set(world.delivered)
    assert world.queue.dropped == len(missing)


def test_a_message_goes_out_only_once_it_is_on_disk() -> None:
    world = World()
    world.put(5)
    assert world.take(10) == []
    world.commit()
    assert [one.number for one in world.take(10)] == [1, 2, 3, 4, 5]


def test_live_messages_go_first_and_both_kinds_keep_their_order() -> None:
    world = World()
    for _ in range(6):
        world.put(RING)
        world.commit()
    world.now_s += 2 * LIVE_S
    sent: list[Message] = []
    for _ in range(80):
        world.put(1)
        world.commit()
        sent += world.take(5)
        world.settle(5)
        world.commit()
    live = [one.number for one in sent if not one.historical]
    waited = [one.number for one in sent if one.historical]
    assert live == list(range(301, 381))
    assert waited == list(range(1, 301))


def test_messages_in_memory_are_bounded_while_nobody_takes_them() -> None:
    world = World()
    for _ in range(200):
        world.put(RING)
        world.commit()
    assert len(world.queue._live) <= LIVE_MESSAGES
    world.drain()
    assert sorted(world.delivered) == list(range(1, world.last + 1))


def test_what_waited_keeps_to_its_rate() -> None:
    world = World(backlog_rate_hz=100.0)
    world.put(RING)
    world.commit()
    world.now_s += 2 * LIVE_S
    sent = 0
    while sent < RING:
        taken = world.take(WINDOW)
        assert len(taken) <= 11
        sent += len(taken)
        world.settle(WINDOW)
        world.commit()
        world.now_s += 0.01
    assert world.now_s >= 2 * LIVE_S + (RING - 12) / 100


def test_without_a_disk_the_newest_messages_are_kept_and_go_out() -> None:
    world = World()
    world.commit(works=False)
    world.put(RING + 20)
    assert [one.number for one in world.take(WINDOW)] == list(range(21, RING + 21))
    assert world.queue.dropped == 20
    assert world.queue.waiting == RING
    assert world.queue.kept == 0


def test_when_the_disk_is_back_what_still_waits_is_stored() -> None:
    world = World()
    world.commit(works=False)
    world.put(10)
    world.take(4)
    world.settle(2)
    world.commit()
    assert sorted(world.disk) == list(range(3, 11))
    world.drain()
    assert world.delivered == list(range(1, 11))


def test_numbers_on_their_way_never_pass_the_window() -> None:
    world = World()
    world.put(50)
    world.commit()
    world.put(50)
    world.commit()
    world.put(50)
    world.commit()
    assert len(world.take(1000)) == WINDOW
    world.settle(WINDOW)
    assert world.take(1000) == [], "confirmed, but not yet deleted: a crash would send them again"
    world.commit()
    assert len(world.take(1000)) == 50
    assert all(before < after for before, after in pairwise(one.number for one in world.out))

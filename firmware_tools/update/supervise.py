"""The supervisor of one application under a plain init: starts it, watches it, starts it again.

    choose --> start --> watch: ended? too much memory? no report for 30 s? --> kill what is left --> pause --> choose
                          `--> a gate beside it while there is a trial
    SIGHUP: end it and start anew, at once.    SIGTERM: end it, and us.

It waits for signals and for the application's output in one poll(2), so a restart costs what the application takes to
end and to begin. Its output passes through here into a log of bounded size. If the supervisor itself is killed, its
loop starts the next one, which ends what is left of the application first.
"""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, redirect_stderr, suppress

from edge_sdk.errors import EdgeError
from edge_sdk.health import read_health
from edge_sdk.units import printable, rfc3339, utc_now
from firmware_tools.update import slot, switch
from firmware_tools.update.account import Account, account_of, environment_of, make_own_folders
from firmware_tools.update.boot.plain import PlainBoot, Watch, read_watch, write_watch
from firmware_tools.update.choose import Choice, next_start
from firmware_tools.update.folders import make_folders, target_of
from firmware_tools.update.layout import Layout
from firmware_tools.update.leavings import clear_run
from firmware_tools.update.log_file import LogFile
from firmware_tools.update.note import only_one, read_note
from firmware_tools.update.processes import family, memory_mib, process_of, processes, with_variable
from firmware_tools.update.state import load_state

TICK_S = 0.5
STOP_S = 10.0
HANG_S = 30.0
FIRST_PAUSE_S = 1.0
MOST_PAUSE_S = 30.0
#: Who has lived so long gets the shortest pause again.
GOOD_LIFE_S = 60.0
GATE_PAUSE_S = 2.0
READ_BYTES = 64 * 1024
#: Of processes that start others while they are ended.
MOST_GENERATIONS = 50
_SET_CHILD_SUBREAPER = 36
#: In the environment of an application, so that it can be found when nobody has noted its process.
MARK = "EDGE_SDK_SUPERVISED"
#: `choose` imports it late, when an update may have removed the packages that this process came from.
_NEEDED_LATER = (switch,)
_SIGNALS = (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Inbox:
    """Signals and the output of children, waited for together.

    Attributes:
        output: the end of a pipe that children write to.
        hang_up, end: a SIGHUP, or a SIGTERM or SIGINT, has come.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._read, self.output = os.pipe2(os.O_CLOEXEC)
        self._bell, self._rope = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self._read, False)
        self._poll = select.poll()
        for handle in (self._read, self._bell):
            self._poll.register(handle, select.POLLIN)
        self.hang_up = self.end = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals for as long as the block runs."""
        old = {number: signal.signal(number, self._note) for number in _SIGNALS}
        wakeup = signal.set_wakeup_fd(self._rope, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in old.items():
                signal.signal(number, handler)
            for handle in (self._read, self.output, self._bell, self._rope):
                os.close(handle)

    def _note(self, number: int, _frame: object) -> None:
        self.hang_up |= number == signal.SIGHUP
        self.end |= number in (signal.SIGINT, signal.SIGTERM)

    def wait(self, timeout_s: float) -> None:
        """Return when a signal has come or the time is over; output is taken meanwhile."""
        until_s = time.monotonic() + timeout_s
        while True:
            left_ms = max(0, round(1000 * (until_s - time.monotonic())))
            ready = {handle for handle, _ in self._poll.poll(left_ms)}
            if self._read in ready:
                self.drain(1)
            if self._bell in ready:
                with suppress(BlockingIOError):
                    os.read(self._bell, 4096)
                return
            if time.monotonic() >= until_s:
                return

    def drain(self, most: int = 64) -> None:
        """Take what children have written."""
        with suppress(BlockingIOError):
            for _ in range(most):
                self._take(os.read(self._read, READ_BYTES))


class Application:
    """One process of the application, from its start to its end.

    Attributes:
        slot: the version it is of.
        why: why it was killed, "" for not.
    """

    def __init__(self, process: subprocess.Popen[bytes], slot: str, memory_mib: int) -> None:
        self.process, self.slot, self.memory_mib = process, slot, memory_mib
        self.why = ""
        self.began_s = time.monotonic()
        found = process_of(process.pid)
        self.ticks = found.ticks if found else 0
        self._reported_s = 0.0
        self._changed_s: float | None = None

    def find_fault(self, layout: Layout, name: str) -> str:
        """Return why it must be killed now, "" for no reason."""
        memory = memory_mib(self.process.pid) if self.memory_mib else 0
        if memory > self.memory_mib:
            return f"memory {memory} MiB is above {self.memory_mib} MiB"
        report, now_s = read_health(layout.health(name)), time.monotonic()
        # The stamp is only compared with itself: a liar may hang unnoticed, but not a program that has lost its way.
        if report is not None and report.pid == self.process.pid and report.at_s != self._reported_s:
            self._reported_s, self._changed_s = report.at_s, now_s
        if self._changed_s is not None and now_s - self._changed_s > HANG_S:
            return f"no report for {HANG_S:g} s: it hangs"
        return ""

    def how_it_ended(self) -> str:
        code = self.process.returncode
        if self.why:
            return self.why
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


def end_session(leader: int) -> None:
    """Kill everything that shares the session of a process or descends from it."""
    for one in family(leader):
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)


class Supervisor:
    """Keeps one application running.

    Args:
        layout: of the device.
        name: of the application.
    """

    def __init__(self, layout: Layout, name: str) -> None:
        self._layout, self._name = layout, name
        self._log = LogFile(layout.log(name))
        self._inbox = Inbox(self._log.write)
        self._app: Application | None = None
        self._gate: subprocess.Popen[bytes] | None = None
        self._gate_at_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._start_at_s = 0.0
        self._starts = 0
        self._last = ""
        self._warned = False
        self._agent = target_of(layout.agent)
        me = process_of(os.getpid())
        self._watch = Watch(os.getpid(), me.ticks if me else 0, detail="begins")

    def run(self) -> int:
        """Keep it running until SIGTERM; return the exit code."""
        _adopt_orphans()
        with self._inbox.listening():
            before = read_watch(self._layout, self._name)
            self._publish()
            self._bury(before)
            try:
                while not self._inbox.end:
                    self._turn()
                    self._inbox.wait(self._next_s())
            except Exception as fault:
                self._say(f"internal fault: {type(fault).__name__}: {fault}")
                raise
            finally:
                self._stop(self._gate)
                self._stop_app()
                self._publish(detail="its supervisor was told to end")
                self._inbox.drain()
                self._log.close()
        return 0

    def _turn(self) -> None:
        """Do what is due."""
        if self._inbox.hang_up:
            self._inbox.hang_up = False
            self._stop_app()
            self._publish(detail="is restarted", failed="")
            self._pause_s, self._start_at_s, self._last = FIRST_PAUSE_S, 0.0, ""
            if target_of(self._layout.agent) != self._agent:
                self._renew()
        _collect_orphans({child.pid for child in self._children()})
        if self._app is not None:
            self._look_after(self._app)
        if self._app is None and time.monotonic() >= self._start_at_s and not self._inbox.end:
            self._start()
        self._keep_gate()

    def _renew(self) -> None:
        """Become the supervisor of the packages that `agent` leads to now; the application is down at this moment."""
        self._say("goes on as its newer self")
        self._stop(self._gate)
        self._inbox.drain()
        self._log.close()
        with suppress(OSError):
            # Nobody may signal us before the new program listens; it will choose by itself.
            write_watch(self._layout, self._name, Watch(0, 0, detail="begins"))
            os.execv(self._layout.launch, [str(self._layout.launch), "device", "supervise", self._name])  # noqa: S606
        self._gate = None

    def _next_s(self) -> float:
        if self._app is None:
            return max(0.0, min(TICK_S, self._start_at_s - time.monotonic()))
        return TICK_S

    def _look_after(self, app: Application) -> None:
        if not _has_ended(app.process):
            app.why = app.find_fault(self._layout, self._name)
            if not app.why:
                return
        self._stop(app.process, 0.0)
        self._app = None
        self._end_orphans()
        self._last = app.how_it_ended()
        if time.monotonic() - app.began_s >= GOOD_LIFE_S:
            self._pause_s = FIRST_PAUSE_S
        self._pause(self._last, fatal=app.why.startswith("memory"))

    def _pause(self, why: str, *, fatal: bool = False) -> None:
        text = f"{why}; started again in {self._pause_s:g} s"
        self._say(text)
        self._publish(detail=text, failed=why if fatal else "")
        self._start_at_s = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, MOST_PAUSE_S)

    def _start(self) -> None:
        with redirect_stderr(io.StringIO()) as said:
            choice = next_start(self._layout, self._name, self._last)
        for line in said.getvalue().splitlines():
            self._say(line)
        if choice is Choice.NOTHING:
            self._pause("there is no version that may start")
            return
        if choice is not Choice.START:
            PlainBoot(self._layout).reload()
            self._pause_s = FIRST_PAUSE_S
        try:
            self._app = self._started()
        except (OSError, EdgeError) as fault:
            self._last = f"cannot be started: {fault}"
            self._pause(self._last)
            return
        self._starts += bool(self._last)
        self._publish(detail=f"runs {self._app.slot}" + (f"; before: {self._last}" if self._last else ""), failed="")

    def _started(self) -> Application:
        layout, name = self._layout, self._name
        # Below another root, files need not be open to a stranger.
        account = account_of(name=name if str(layout.root) == "/" else "")
        if account is None and not self._warned:
            self._warned = True
            self._say("warning: there is no user edge-sdk (or we are not root): it runs as we do")
        clear_run(layout, name)
        own = {**make_own_folders(layout, name, account), MARK: str(layout.run(name))}
        variables, complaints = environment_of(layout, name, own)
        for complaint in complaints:
            self._say(complaint)
        running = layout.current_slot(name)
        process = self._spawn("app", account, variables)
        return Application(process, running, self._memory_mib(running))

    def _memory_mib(self, running: str) -> int:
        try:
            return slot.read_head(self._layout, self._name, running).manifest.limits.memory_mib
        except (EdgeError, OSError) as fault:
            self._say(f"its memory is not limited: {fault}")
            return 0

    def _spawn(
        self, what: str, account: Account | None = None, variables: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        words = ["app"] if what == "app" else ["device", what]
        return subprocess.Popen(
            [str(self._layout.launch), *words, self._name],
            stdin=subprocess.DEVNULL,
            stdout=self._inbox.output,
            stderr=self._inbox.output,
            cwd="/",
            env=variables,
            start_new_session=True,
            umask=0o077 if what == "app" else -1,
            user=account.user if account else None,
            group=account.group if account else None,
            extra_groups=account.groups if account else None,
        )

    def _children(self) -> list[subprocess.Popen[bytes]]:
        return [child for child in (self._app.process if self._app else None, self._gate) if child is not None]

    def _end_orphans(self) -> None:
        """End what the application has let go of, which came to us when its own parent ended."""
        ours = {child.pid for child in self._children()}
        for _ in range(MOST_GENERATIONS):
            _collect_orphans(ours)
            orphans = [one for one in processes() if one.parent == os.getpid() and one.pid not in ours]
            if not orphans:
                return
            for one in orphans:
                end_session(one.pid)

    def _stop_app(self) -> None:
        if self._app is not None:
            self._stop(self._app.process)
            self._app = None
            self._end_orphans()
            self._publish(detail="was told to end", failed="")

    def _stop(self, process: subprocess.Popen[bytes] | None, patience_s: float | None = None) -> None:
        """Ask a child to end, and see to it."""
        if process is None:
            return
        until_s = time.monotonic() + (STOP_S if patience_s is None else patience_s)
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        while not _has_ended(process) and (left_s := until_s - time.monotonic()) > 0:
            self._inbox.wait(left_s)
        end_session(process.pid)  # before its number is given back
        process.wait()

    def _keep_gate(self) -> None:
        """Let a gate run while there is a trial that was started, or a restart that one before it still owes."""
        if self._gate is not None and _has_ended(self._gate):
            self._gate.wait()
            self._gate, self._gate_at_s = None, time.monotonic() + GATE_PAUSE_S
        if self._gate is not None or time.monotonic() < self._gate_at_s or self._inbox.end or not self._wants_gate():
            return
        try:
            self._gate = self._spawn("gate")
            self._publish()
        except OSError as fault:
            self._gate_at_s = time.monotonic() + GATE_PAUSE_S
            self._say(f"its gate cannot be started: {fault}")

    def _wants_gate(self) -> bool:
        with suppress(EdgeError, OSError):
            state = load_state(self._layout.state(self._name))
            if state.trial:
                return state.attempts > 0
        note = read_note(self._layout, self._name)
        return note is not None and note.owed

    def _bury(self, before: Watch | None) -> None:
        """End what a supervisor that was killed has left, also if it had no time to note what it had started."""
        left = [(before.app, before.app_ticks), (before.gate, before.gate_ticks)] if before is not None else []
        for leader, ticks in left:
            found = process_of(leader)
            # A leader that started at another moment is another program that got the same number.
            if leader and (found is None or found.ticks == ticks):
                end_session(leader)
        for one in with_variable(MARK, str(self._layout.run(self._name))):
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)

    def _publish(self, detail: str = "", failed: str | None = None) -> None:
        """Say how it is; `failed` stays as it is when nothing is said about it."""
        app, gate = self._app, process_of(self._gate.pid) if self._gate else None
        self._watch = Watch(
            pid=self._watch.pid,
            ticks=self._watch.ticks,
            app=app.process.pid if app else 0,
            app_ticks=app.ticks if app else 0,
            gate=gate.pid if gate else 0,
            gate_ticks=gate.ticks if gate else 0,
            starts=self._starts,
            detail=detail or self._watch.detail,
            failed=self._watch.failed if failed is None else failed,
        )
        with suppress(OSError, EdgeError):
            make_folders(self._layout.run(self._name).parent)
            write_watch(self._layout, self._name, self._watch)

    def _say(self, text: str) -> None:
        self._log.write(f"{rfc3339(utc_now())} edge-sdk supervise: {printable(text)}\n".encode())


def _adopt_orphans() -> None:
    """Let every process that the application starts be ours when its parent ends, instead of init's (prctl(2)).

    Otherwise one that turns into a daemon would go on beside the next version. Where that cannot be, nothing changes.
    """
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _collect_orphans(ours: Collection[int]) -> None:
    """Take note of the end of processes that came to us, but not of our own children: their numbers stay theirs."""
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in ours:
            os.waitpid(ended.si_pid, 0)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a child has, without collecting it: until then its number stays its own."""
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def supervise(layout: Layout, name: str) -> int:
    """Keep an application running until SIGTERM; waits while somebody else does. Returns the exit code."""
    with only_one(layout, name, "supervise"):
        return Supervisor(layout, name).run()

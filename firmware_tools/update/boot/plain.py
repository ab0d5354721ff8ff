"""A plain init: one script in /etc/init.d that keeps a supervisor per application alive.

    init -> /etc/init.d/edge-sdk start -> loop (sh, one per application) -> launch device supervise NAME -> application
                                                                                                       `--> gate

What can be wrong is shared out: the application may crash (its supervisor starts it again), the supervisor may be
killed (its loop starts another), and the loop is ten lines of sh. `Watch` is the file by which they are known.
"""

from __future__ import annotations

import os
import signal
import stat
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from firmware_tools.sign import durable
from firmware_tools.update.boot.base import (
    Run,
    Service,
    checked,
    clipped,
    is_machine,
    link_rules,
    reload_rules,
    run_command,
    unlink_rules,
)
from firmware_tools.update.folders import make_folders, point, remove_link, writing
from firmware_tools.update.layout import Layout
from firmware_tools.update.processes import is_alive

SCRIPT = "etc/init.d/edge-sdk"
STOP_S = 30.0
MAX_WATCH_BYTES = 16 * 1024
MOST_LOG_BYTES = 256 * 1024

SCRIPT_TEXT = r"""#!/bin/sh
### BEGIN INIT INFO
# Provides:          edge-sdk
# Required-Start:    $remote_fs $syslog
# Required-Stop:     $remote_fs $syslog
# Should-Start:      $network $time udev
# Should-Stop:       $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: edge-sdk applications
### END INIT INFO
# Made by edge-sdk; changes are lost with the next update.
#   edge-sdk start|stop|restart|status [NAME]
# One loop per application starts its supervisor again whenever it ends.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
root='@ROOT@'
run=$root/run/edge-sdk
umask 022

names() {
  for state in "$root"/var/lib/edge-sdk/apps/*/state.json; do
    [ -f "$state" ] || continue
    folder=${state%/*}
    echo "${folder##*/}"
  done
}

# Prints the process of the loop of $1; fails where there is none. The id alone could be another's by now.
loop_of() {
  read -r loop <"$run/.$1.loop" || return 1
  case $loop in '' | *[!0-9]*) return 1 ;; esac
  tr '\0' ' ' <"/proc/$loop/cmdline" | grep -q -F "edge-sdk keep $1 " || return 1
  echo "$loop"
} 2>/dev/null

keep() {
  name=$1 child=
  echo "$$" >"$run/.$name.loop"
  trap 'trap "" TERM; kill -TERM "$child"; wait "$child"; rm -f "$run/.$name.loop"; exit 0' TERM
  while :; do
    "$root/opt/edge-sdk/launch" device supervise "$name" &
    child=$!
    wait "$child"
    sleep 2 &
    child=$!
    wait "$child"
  done
} </dev/null >/dev/null 2>&1

begin() {
  loop_of "$1" >/dev/null && return 0
  setsid "$root/etc/init.d/edge-sdk" keep "$1" </dev/null >/dev/null 2>&1 &
  echo "$!" >"$run/.$1.loop"
}

ask_to_end() {
  loop=$(loop_of "$1") && kill -TERM "$loop" 2>/dev/null
}

# A supervisor that was killed has left its application, and perhaps its gate. What has another start than the noted
# one is another program that was given the same number.
end_rest() {
  number='":\([0-9]*\),"'
  pattern="\"app${number}app_ticks${number}gate${number}gate_ticks${number}"
  set -- $(sed -n "s/^.*$pattern.*/\1 \2 \3 \4/p" "$run/.$1.watch")
  while [ $# -ge 2 ]; do
    begun=$(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20)
    [ "$1" -le 1 ] || [ "$begun" != "$2" ] || kill -KILL "-$1"
    shift 2
  done
} 2>/dev/null

wait_for_end() {
  left=200
  while loop=$(loop_of "$1"); do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { kill -KILL "-$loop"; rm -f "$run/.$1.loop"; }
    sleep 0.1 2>/dev/null || sleep 1
  done
  end_rest "$1"
}

status() {
  if loop=$(loop_of "$1"); then
    echo "$1: kept running by process $loop"
  else
    echo "$1: stopped"
    return 3
  fi
}

each() {
  result=0
  for one in $chosen; do "$1" "$one" || result=$?; done
  return "$result"
}

mkdir -p "$run"
chosen=${2:-$(names)}
case ${1:-} in
  start) each begin ;;
  stop) each ask_to_end; each wait_for_end ;;
  restart | force-reload) each ask_to_end; each wait_for_end; each begin ;;
  status) each status ;;
  keep) keep "$2" ;;
  *)
    echo "usage: $0 start|stop|restart|status [NAME]" >&2
    exit 2
    ;;
esac
"""


class Watch(Struct, frozen=True):
    """What a supervisor says of itself and its application; replaced whole, on a memory disk.

    The script above reads the first six, in this order.
    """

    pid: int
    """Of the supervisor."""
    ticks: int
    """When that process started (see `processes`)."""
    app: int = 0
    """The application's process, 0 while there is none."""
    app_ticks: int = 0
    gate: int = 0
    """The gate's, likewise."""
    gate_ticks: int = 0
    starts: int = 0
    """How often the application was started again by itself."""
    detail: str = ""
    failed: str = ""
    """See `Service.failed`."""


def _watch(layout: Layout, name: str) -> Path:
    """Return the file, beside the application's own folder in /run, where the application may not write."""
    return layout.beside(name, "watch")


def read_watch(layout: Layout, name: str) -> Watch | None:
    """Return what the last supervisor said, or None."""
    try:
        handle = os.open(_watch(layout, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            return msgspec.json.decode(file.read(MAX_WATCH_BYTES), type=Watch)
    except (OSError, ValueError, RecursionError):
        return None


def write_watch(layout: Layout, name: str, watch: Watch) -> None:
    """Replace it. Not fsynced: after a power cut there are other processes.

    Raises:
        OSError: it cannot be written.
    """
    path = _watch(layout, name)
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(msgspec.json.encode(watch))
    os.replace(new, path)


class PlainBoot:
    """See `base.Boot`.

    Args:
        run: runs the script and udevadm.
        live: whether loops may be started; None: on a machine, not in a folder.
    """

    def __init__(self, layout: Layout, run: Run = run_command, *, live: bool | None = None) -> None:
        self._layout = layout
        self._run = run
        self._script = layout.root / SCRIPT
        self._live = is_machine(layout) if live is None else live

    def install(self, name: str) -> None:
        """Write the script and its links; the loop is `restart`'s to start, so that no start of a trial is wasted."""
        root = str(self._layout.root) if self._live and not is_machine(self._layout) else ""
        text = SCRIPT_TEXT.replace("@ROOT@", root).encode()
        make_folders(self._script.parent)
        with writing(self._script):
            same = self._script.is_file() and self._script.read_bytes() == text
        if not same:
            durable.write(self._script, text, 0o755)
        for link, target in self._links():
            point(link, target)
        link_rules(self._layout, name)

    def _links(self) -> list[tuple[Path, str]]:
        """Return the links by which an init finds the script: System V's, or that of small boards (init.d/S??*)."""
        etc = self._layout.root / "etc"
        words = {**dict.fromkeys("016", "K01"), **dict.fromkeys("2345", "S99")}
        levels = [(etc / f"rc{level}.d", word) for level, word in words.items()]
        found = [(folder / f"{word}edge-sdk", "../init.d/edge-sdk") for folder, word in levels if folder.is_dir()]
        if not found and (etc / "init.d/rcS").is_file():
            found = [(etc / "init.d/S99edge-sdk", "edge-sdk")]
        return found

    def remove(self, name: str) -> None:
        self.stop(name)
        unlink_rules(self._layout, name)
        with suppress(OSError):
            _watch(self._layout, name).unlink()
        if set(self._layout.names()) - {name}:
            return
        for link, _ in self._links():
            remove_link(link)
        with writing(self._script):
            self._script.unlink(missing_ok=True)

    def reload(self) -> None:
        if self._live:
            reload_rules(self._layout, self._run)

    def restart(self, name: str) -> None:
        """Ask the supervisor, or start the loop. A supervisor that is only starting will choose anew by itself."""
        if supervisor := self._supervisor(name):
            with suppress(ProcessLookupError), writing(self._script):
                os.kill(supervisor, signal.SIGHUP)
        elif self._live:
            checked(self._run, (str(self._script), "start", name))

    def judge(self, name: str) -> None:
        """Do nothing: the supervisor keeps a gate while there is a trial."""

    def _supervisor(self, name: str) -> int:
        watch = read_watch(self._layout, name)
        return watch.pid if watch is not None and is_alive(watch.pid, watch.ticks) else 0

    def stop(self, name: str) -> None:
        if self._script.is_file() and (self._live or self._supervisor(name)):
            checked(self._run, (str(self._script), "stop", name), STOP_S)

    def service(self, name: str) -> Service:
        watch = read_watch(self._layout, name)
        if watch is None:
            return Service(running=False, pid=0, starts=0, detail="nobody has started it")
        running = is_alive(watch.app, watch.app_ticks)
        pid = watch.app if running else 0
        detail = watch.detail if is_alive(watch.pid, watch.ticks) else "its supervisor has ended"
        return Service(running, pid, watch.starts, detail[:500], watch.failed[:500])

    def logs(self, name: str, lines: int) -> list[str]:
        log = self._layout.log(name)
        older = b"" if (newer := _tail(log)).count(b"\n") >= lines else _tail(log.with_name(f"{log.name}.1"))
        return clipped((older + newer).decode(errors="replace"), lines)


def _tail(path: Path) -> bytes:
    """Return the end of a log, from a whole line on."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - MOST_LOG_BYTES))
            data = file.read(MOST_LOG_BYTES)
    except OSError:
        return b""
    return data if size <= MOST_LOG_BYTES else data.partition(b"\n")[2]

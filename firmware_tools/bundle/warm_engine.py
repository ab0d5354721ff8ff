"""The engine, as its command line in a process that has imported everything before it is asked.

run = WarmEngine(folder)
run("run", "pipeline.toml", "--check", folder=slot)      # as `engine_process.edge_sdk`, without half a second of start
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_sdk.errors import DeadlineError
from firmware_tools.bundle.engine_process import DEADLINE_S, complaint, edge_sdk

MOST_ANSWER_BYTES = 1 << 20
_COMMAND = (sys.executable, "-m", "edge_sdk.cli.waiting")


class WarmEngine:
    """Runs commands of edge-sdk; `with` ends the process that waits for them.

    Args:
        folder: to wait in; Python must find nothing there to import.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.prepare()

    def prepare(self) -> None:
        """Let a process wait, where there is none; a command that finds none starts one of its own."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        with suppress(OSError):
            self._process = subprocess.Popen(
                _COMMAND,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,  # a person's Ctrl-C is for us alone
            )

    def __call__(self, *arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """Run one command in `folder`; see `engine_process.edge_sdk`."""
        words = [str(word) for word in arguments]
        order = {"folder": str(folder), "words": words, "environment": dict(environment or os.environ)}
        self.prepare()
        try:
            answer = self._ask(json.dumps(order).encode() + b"\n", words)
        except BaseException:  # also Ctrl-C: its answer would be taken for that of the next command
            self.close()
            raise
        if answer is None:
            self.close()
            edge_sdk(*arguments, folder=folder, environment=environment)
        elif answer["code"] != 0:
            raise complaint(words, answer["code"], answer["said"])

    def _ask(self, order: bytes, words: list[str]) -> dict[str, Any] | None:
        """Return the answer; None where nobody gives one."""
        process, until_s, data = self._process, time.monotonic() + DEADLINE_S, bytearray()
        if process is None or process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(order)
            while not data.endswith(b"\n") and len(data) <= MOST_ANSWER_BYTES:
                if not select.select([process.stdout], [], [], max(0.0, until_s - time.monotonic()))[0]:
                    raise DeadlineError(f"edge-sdk {words[0]}: not done after {DEADLINE_S:.0f} s")
                if not (piece := process.stdout.read(1 << 16)):
                    return None
                data += piece
            return dict(json.loads(data))
        except (BrokenPipeError, ValueError):
            return None

    def close(self) -> None:
        """End it, and whatever it is doing."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> WarmEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

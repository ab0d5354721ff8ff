"""The engine, as its command line in a child process: this package stays without it, and a crash there stays there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from edge_sdk import errors
from edge_sdk.errors import DeadlineError, EdgeError, VerificationError

DEADLINE_S = 600.0
_SAID = re.compile(r"^error: (.*?)(?:^try: (.*))?\Z", re.DOTALL | re.MULTILINE)
COMMAND = (sys.executable, "-m", "edge_sdk.cli.main")


def edge_sdk(*arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run one command of edge-sdk in `folder`.

    Args:
        environment: default this process's own.

    Raises:
        EdgeError: what the command complained about, with its exit code.
        DeadlineError: it took longer than ten minutes.
    """
    words = [str(word) for word in arguments]
    try:
        done = subprocess.run(
            [*COMMAND, *words], cwd=folder, env=environment, capture_output=True, timeout=DEADLINE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise DeadlineError(f"edge-sdk {words[0]}: not done after {DEADLINE_S:.0f} s") from None
    if done.returncode != 0:
        raise complaint(words, done.returncode, done.stderr.decode("utf-8", "replace"))


def complaint(words: Sequence[str], code: int, stderr: str) -> EdgeError:
    """Return the child's own error again."""
    found = _SAID.search(stderr)
    message = found[1].rstrip() if found else f"edge-sdk {' '.join(words)} ended with code {code}"
    kind = next((kind for kind in _kinds(EdgeError) if kind.exit_code == code), VerificationError)
    return kind(message, hint=(found[2] or "").strip() if found else "")


def _kinds(root: type[EdgeError]) -> Iterator[type[EdgeError]]:
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, root) and value is not root:
            yield value

"""This very machine. The receiver runs under the Python of this command, with its packages, and needs root's rights."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from subprocess import Popen

from edge_sdk.board import load_boards
from edge_sdk.errors import AccessDeniedError, DeadlineError, EdgeError, TransferError
from firmware_tools.flash.probe import MOST_BYTES, FoundPython, TargetFacts, probe_script, read_facts
from firmware_tools.flash.process import Silence, ask, last_words, start
from firmware_tools.flash.receiver_program import receiver_words

PROBE_LIMIT_S = 30.0


class LocalTransport:
    """This machine: LocalTransport().probe()."""

    kind = "local"
    target = "this machine"
    words = "--local"
    root = "/"
    restarts = True

    def probe(self) -> TargetFacts:
        """Ask the machine what it is; see `Transport`."""
        return probe_here("")

    def start_receiver(self, facts: TargetFacts) -> Popen[bytes]:
        """Start the receiver; see `Transport`."""
        if os.geteuid() != 0:
            raise AccessDeniedError(
                "this machine: root rights are needed to install here", hint="sudo edge-sdk flash --local ..."
            )
        return start(receiver_words(facts.python_path, self.root))

    def explain(self, code: int | None, complaint: str) -> EdgeError:
        """Return our error for a receiver that ended before it said anything; see `Transport`."""
        return TransferError(f"{self.target}: the receiver ended with {code}: {last_words(complaint) or 'no word'}")


def probe_here(root: str) -> TargetFacts:
    """Run the probe on this machine.

    Args:
        root: a folder that stands for `/`; "" for the machine itself.

    Raises:
        DeadlineError, TransferError: the probe did not come to an end.
    """
    script = probe_script(root, load_boards().files_to_look_for(), ask_pythons=False)
    try:
        answer = ask(start(["sh", "-s"]), script, limit_s=PROBE_LIMIT_S, most_bytes=MOST_BYTES)
    except Silence:
        raise DeadlineError(f"{root or 'this machine'}: no answer to the probe within {PROBE_LIMIT_S:.0f} s") from None
    version = ".".join(map(str, sys.version_info[:3]))
    return replace(
        read_facts(answer.output),
        python=".".join(map(str, sys.version_info[:2])),
        python_path=sys.executable,
        pythons=(FoundPython(version, sys.executable, ""),),
    )

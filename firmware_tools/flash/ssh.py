"""A machine reached by the system's OpenSSH, so that keys, agents, jump hosts and known_hosts work as they do by hand.

Nothing is asked on the way (`BatchMode`): what ssh would ask for is refused, with the command that settles it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from subprocess import Popen

from edge_sdk.board import load_boards
from edge_sdk.errors import (
    AccessDeniedError,
    ConfigError,
    DeadlineError,
    EdgeError,
    SafetyError,
    TargetNotFoundError,
    TransferError,
    UsageError,
)
from firmware_tools.flash.probe import MOST_BYTES, TargetFacts, probe_script, read_facts
from firmware_tools.flash.process import Silence, ask, last_words, start
from firmware_tools.flash.receiver_program import receiver_words

#: Ends with its own 255, or passes on how the remote command ended.
SSH_FAILED = 255
PROBE_LIMIT_S = 60.0
OPTIONS = (
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=5"),
    *("-o", "ServerAliveCountMax=3"),
)
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.@+\\-]*@)?(?:[A-Za-z0-9_:][A-Za-z0-9_.:%-]*|\[[A-Fa-f0-9:.]+\])")
#: What ssh says -> what it means. In this order: a changed key ends as a failed verification.
_MEANINGS: tuple[tuple[str, str], ...] = (
    ("remote host identification has changed", "changed"),
    ("host key verification failed", "unknown"),
    ("host key is known for", "unknown"),
    ("bad configuration option", "config"),
    ("can't open user config file", "config"),
    ("permission denied", "denied"),
    ("too many authentication failures", "denied"),
    ("no supported authentication methods", "denied"),
    ("unable to negotiate", "denied"),
    ("bad owner or permissions", "denied"),
    ("could not resolve hostname", "absent"),
    ("name or service not known", "absent"),
    ("connection refused", "absent"),
    ("no route to host", "absent"),
    ("network is unreachable", "absent"),
    ("host is down", "absent"),
    ("connection timed out", "absent"),
    ("operation timed out", "absent"),
    ("timed out during banner exchange", "absent"),
)


class SshTransport:
    """A machine named as for ssh.

    transport = SshTransport("root@10.0.0.7")
    facts = transport.probe()
    """

    kind = "ssh"
    root = "/"
    restarts = True

    def __init__(
        self, host: str, *, port: int | None = None, ssh_config: Path | str | None = None, sudo: bool | None = None
    ) -> None:
        """Name the machine; nothing is started.

        Args:
            host: `user@host`, a host, or an alias of ssh's configuration.
            port: default: as ssh's configuration says.
            ssh_config: in place of the user's own.
            sudo: False: never become root by sudo.

        Raises:
            UsageError: that can be no host or port.
        """
        if len(host) > 255 or not _HOST.fullmatch(host):
            raise UsageError(f"{host[:80]!r} is no host for ssh", hint="--host USER@ADDRESS")
        if port is not None and not 1 <= port <= 65535:
            raise UsageError(f"{port} is no port: expected 1 to 65535")
        self.target = host
        self.words = f"--host {shlex.quote(host)}"
        self._may_sudo = sudo is not False
        self._argv = ["ssh", "-T", *OPTIONS]
        if ssh_config is not None:
            self._argv += ["-F", str(ssh_config)]
            self.words += f" --ssh-config {shlex.quote(str(ssh_config))}"
        if port is not None:
            self._argv += ["-p", str(port)]
            self.words += f" --port {port}"
        # ssh takes an IPv6 address without the brackets.
        self._argv += ["--", re.sub(r"[\[\]]", "", host)]

    def probe(self) -> TargetFacts:
        """Ask the machine what it is; see `Transport`."""
        script = probe_script("", load_boards().files_to_look_for())
        try:
            answer = ask(self._start("sh", "-s"), script, limit_s=PROBE_LIMIT_S, most_bytes=MOST_BYTES)
        except Silence:
            raise DeadlineError(
                f"{self.target}: no answer to the probe within {PROBE_LIMIT_S:.0f} s", hint=self._by_hand
            ) from None
        if answer.code == SSH_FAILED:
            raise self.explain(answer.code, answer.complaint)
        return read_facts(answer.output)

    def start_receiver(self, facts: TargetFacts) -> Popen[bytes]:
        """Start the receiver as root; see `Transport`."""
        if not facts.python_path:
            raise SafetyError(f"{self.target}: {_no_python(facts)}", hint="install python3, 3.10 or newer, there")
        words = receiver_words(facts.python_path, self.root)
        if facts.uid == 0:
            return self._start(*words)
        if not self._may_sudo or not facts.sudo:
            why = "sudo there asks for a password" if self._may_sudo else "sudo = false is configured"
            raise AccessDeniedError(
                f"{self.target}: root rights are needed there, and {why}",
                hint=f"--host root@{self.target.rpartition('@')[2]}, or allow that user sudo without a password",
            )
        return self._start("sudo", "-n", *words)

    def explain(self, code: int | None, complaint: str) -> EdgeError:
        """Return our error for a command that ended before it said anything; see `Transport`."""
        said = last_words(complaint) or f"ssh ended with {code}"
        text = f"{self.target}: {said}"
        meaning = next((meaning for part, meaning in _MEANINGS if part in complaint.lower()), "")
        if code != SSH_FAILED:
            if said.startswith("sudo:"):
                return AccessDeniedError(text, hint=f"--host root@{self.target.rpartition('@')[2]}")
            return TransferError(text, hint=self._by_hand)
        name = self.target.rpartition("@")[2]
        if meaning == "changed":
            hint = f"find out why its key has changed; if that is right: ssh-keygen -R {name}, then {self._by_hand}"
            return AccessDeniedError(
                f"{self.target}: its host key is not the one that is known; ssh refuses it", hint=hint
            )
        if meaning == "unknown":
            return AccessDeniedError(
                f"{self.target}: its host key is not known yet",
                hint=f"{self._by_hand}, compare the key it shows, say yes",
            )
        if meaning == "denied":
            return AccessDeniedError(text, hint=f"ssh-copy-id {self.target}, then {self._by_hand}")
        if meaning == "absent":
            return TargetNotFoundError(text, hint=self._by_hand)
        if meaning == "config":
            return ConfigError(text)
        return TransferError(text, hint="run the same command again; it goes on where it stopped")

    @property
    def _by_hand(self) -> str:
        """The command that shows a person what ssh shows us."""
        options = [word for word in self._argv[1:-2] if word not in ("-T", *OPTIONS)]
        return shlex.join(["ssh", *options, self._argv[-1], "true"])

    def _start(self, *words: str) -> Popen[bytes]:
        return start([*self._argv, shlex.join(words)], missing="install OpenSSH's client: apt install openssh-client")


def _no_python(facts: TargetFacts) -> str:
    if not facts.pythons:
        return "has no Python"
    return "no Python there will do: " + ", ".join(f"{one.path} {one.version} {one.problem}" for one in facts.pythons)

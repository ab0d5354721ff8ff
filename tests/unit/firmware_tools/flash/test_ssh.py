from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_sdk.errors import (
    AccessDeniedError,
    BusyError,
    ConfigError,
    DeadlineError,
    EdgeError,
    MissingExtraError,
    SafetyError,
    TargetNotFoundError,
    TransferError,
    UsageError,
)
from firmware_tools.flash import TRANSPORTS, ssh
from firmware_tools.flash.link import ReceiverLink, open_link
from firmware_tools.flash.probe import FoundPython, TargetFacts
from firmware_tools.flash.ssh import SshTransport
from tests.support import require_tool, skip_loudly
from tests.unit.firmware_tools.flash.targets import SMALL_AGENT, add_site, sha256_of

ROOT_FACTS = TargetFacts("x86_64", uid=0, python_path=sys.executable)
USER_FACTS = TargetFacts("x86_64", uid=1000, python_path=sys.executable)

Install = Callable[..., Path]

#: Does what sshd does with a command: gives it to the user's shell.
RUN = 'while [ $# -gt 1 ]; do shift; done\nexec sh -c "$1"'


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put an `ssh` on the PATH that notes its arguments and runs the rest of a script; returns the notes."""
    tools, notes = tmp_path / "tools", tmp_path / "argv"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")

    def install(script: str, name: str = "ssh") -> Path:
        tool = tools / name
        note = f"for word; do printf '%s\\n' \"$word\"; done > '{notes}-{name}'\n"
        tool.write_text(f"#!/bin/sh\n{note}{script}\n")
        tool.chmod(0o755)
        return Path(f"{notes}-{name}")

    return install


def failing(text: str, code: int = 255) -> str:
    return f"printf '%s\\n' '{text}' >&2\nexit {code}"


def test_it_is_the_ssh_row_of_the_table() -> None:
    assert TRANSPORTS.load("ssh") is SshTransport


def test_the_probe_is_a_shell_that_reads_its_script(fake_ssh: Install) -> None:
    notes = fake_ssh(RUN)
    facts = SshTransport("root@10.0.0.7").probe()
    assert facts.uid == os.getuid()
    assert facts.python_path
    assert notes.read_text().splitlines() == [
        "-T",
        *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
        *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"),
        *("--", "root@10.0.0.7", "sh -s"),
    ]


def test_port_and_configuration_are_handed_on(fake_ssh: Install, tmp_path: Path) -> None:
    notes = fake_ssh(RUN)
    transport = SshTransport("gateway", port=2222, ssh_config=tmp_path / "my config")
    transport.probe()
    assert notes.read_text().splitlines()[-7:] == [
        *("-F", str(tmp_path / "my config"), "-p", "2222", "--", "gateway", "sh -s")
    ]
    assert transport.words == f"--host gateway --ssh-config '{tmp_path}/my config' --port 2222"


def test_nobody_is_made_to_trust_an_unknown_key(fake_ssh: Install) -> None:
    notes = fake_ssh(RUN)
    SshTransport("h").probe()
    assert "StrictHostKeyChecking" not in notes.read_text()


@pytest.mark.parametrize(
    "host",
    [
        *("", "-oProxyCommand=touch /tmp/x", "--", "a b", "a;b", "a$(b)", "user@-h", "-l@h", "a\nb", "a'b", "h/../x"),
        *("@h", "u@", "h" * 256, "ssh://h", "a`b`", "ä.example"),
    ],
)
def test_what_could_be_an_option_or_a_command_is_no_host(host: str) -> None:
    with pytest.raises(UsageError, match="is no host for ssh"):
        SshTransport(host)


@pytest.mark.parametrize("host", ["pi", "pi.local", "ann@pi-5", "10.0.0.7", "root@fe80::1%eth0", "AD\\ann@h", "a_b"])
def test_what_ssh_takes_is_a_host(host: str) -> None:
    assert SshTransport(host).target == host


def test_an_address_in_brackets_loses_them(fake_ssh: Install) -> None:
    notes = fake_ssh(RUN)
    SshTransport("root@[fd00::7]").probe()
    assert "root@fd00::7" in notes.read_text().splitlines()


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_an_impossible_port_is_refused(port: int) -> None:
    with pytest.raises(UsageError, match="is no port"):
        SshTransport("h", port=port)


@pytest.mark.parametrize(
    ("said", "kind", "part", "hint"),
    [
        ("ssh: Could not resolve hostname pi: Name or service not known", TargetNotFoundError, "resolve", "ssh ann@pi"),
        ("ssh: connect to host pi port 22: Connection refused", TargetNotFoundError, "refused", "ssh ann@pi true"),
        ("ssh: connect to host pi port 22: Connection timed out", TargetNotFoundError, "timed out", "ssh ann@pi"),
        ("ssh: connect to host pi port 22: No route to host", TargetNotFoundError, "No route", "ssh ann@pi"),
        ("ann@pi: Permission denied (publickey).", AccessDeniedError, "Permission denied", "ssh-copy-id ann@pi"),
        (
            "No ED25519 host key is known for pi and strict checking is on.\nHost key verification failed.",
            *(AccessDeniedError, "not known yet", "ssh ann@pi true, compare the key it shows, say yes"),
        ),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n...\nHost key verification failed.",
            *(AccessDeniedError, "not the one that is known", "ssh-keygen -R pi"),
        ),
        ("Received disconnect: Too many authentication failures", AccessDeniedError, "Too many", "ssh-copy-id"),
        ("/x: line 1: Bad configuration option: foo", ConfigError, "Bad configuration option", ""),
        ("kex_exchange_identification: Connection closed by remote host", TransferError, "closed", "run the same"),
        ("Timeout, server pi not responding.", TransferError, "not responding", "run the same command again"),
        ("", TransferError, "ssh ended with 255", "run the same command again"),
    ],
)
def test_what_ssh_complains_about_becomes_our_error(
    fake_ssh: Install, said: str, kind: type[EdgeError], part: str, hint: str
) -> None:
    fake_ssh(failing(said))
    with pytest.raises(kind, match=part) as caught:
        SshTransport("ann@pi").probe()
    assert type(caught.value) is kind
    assert caught.value.message.startswith("ann@pi: ")
    assert hint in caught.value.hint


def test_the_command_to_try_by_hand_has_the_same_options(fake_ssh: Install) -> None:
    fake_ssh(failing("ssh: connect to host pi port 2222: Connection refused"))
    with pytest.raises(TargetNotFoundError) as caught:
        SshTransport("pi", port=2222, ssh_config="my config").probe()
    assert caught.value.hint == "ssh -F 'my config' -p 2222 pi true"


def test_a_missing_ssh_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match="ssh is not installed") as caught:
        SshTransport("h").probe()
    assert (caught.value.exit_code, "openssh-client" in caught.value.hint) == (13, True)


def test_a_machine_that_takes_the_connection_and_says_nothing_is_given_up(
    fake_ssh: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "PROBE_LIMIT_S", 0.3)
    fake_ssh("exec sleep 600")
    with pytest.raises(DeadlineError, match="no answer to the probe"):
        SshTransport("h").probe()


def test_an_account_without_a_shell_is_told(fake_ssh: Install) -> None:
    fake_ssh("echo 'This account is currently not available.'; exit 1")
    with pytest.raises(TransferError, match="This account is currently not available"):
        SshTransport("h").probe()


def as_link(transport: SshTransport, facts: TargetFacts, root: Path) -> ReceiverLink:
    """A link whose receiver has a folder for `/`: only the word for the root is another one."""
    transport.root = str(root)
    return open_link(transport, facts)


def test_the_receiver_runs_under_the_python_that_the_probe_found(fake_ssh: Install, tmp_path: Path) -> None:
    notes, root = fake_ssh(RUN), tmp_path / "root"
    root.mkdir()
    site = add_site(root, SMALL_AGENT)
    with as_link(SshTransport("root@h"), ROOT_FACTS, root) as link:
        link.lock("ann")
        link.put(sha256_of(b"blob"), 4, io.BytesIO(b"blob"))
        link.load_agent(site)
        assert link.call("facts")["root"] == str(root)
    command = notes.read_text().splitlines()[-1]
    assert command.startswith(f"{sys.executable} -I -B -X utf8 -c 'import sys;")
    assert len(command) < 400


def test_a_path_of_python_with_odd_characters_stays_one_word(fake_ssh: Install, tmp_path: Path) -> None:
    notes = fake_ssh(RUN)
    odd = tmp_path / "py; touch never $(id)'"
    odd.symlink_to(sys.executable)
    facts = TargetFacts("x86_64", uid=0, python_path=str(odd))
    with as_link(SshTransport("h"), facts, tmp_path):
        pass
    assert str(tmp_path) in notes.read_text()
    assert not Path("never").exists()


def test_a_user_becomes_root_by_sudo_where_that_asks_nothing(fake_ssh: Install, tmp_path: Path) -> None:
    fake_ssh(RUN)
    notes = fake_ssh('[ "$1" = -n ] || exit 9\nshift\nexec "$@"', "sudo")
    facts = TargetFacts("x86_64", uid=1000, sudo=True, python_path=sys.executable)
    with as_link(SshTransport("ann@h"), facts, tmp_path) as link:
        link.lock("ann")
    assert notes.read_text().splitlines()[:2] == ["-n", sys.executable]


@pytest.mark.parametrize(("sudo", "may", "part"), [(False, None, "asks for a password"), (True, False, "sudo = false")])
def test_a_user_who_cannot_become_root_is_refused(sudo: bool, may: bool | None, part: str) -> None:
    facts = TargetFacts("x86_64", uid=1000, sudo=sudo, python_path=sys.executable)
    with pytest.raises(AccessDeniedError, match=part) as caught:
        SshTransport("ann@h", sudo=may).start_receiver(facts)
    assert caught.value.hint.startswith("--host root@h")


def test_a_sudo_that_refuses_after_all_is_no_permission(fake_ssh: Install, tmp_path: Path) -> None:
    fake_ssh(failing("sudo: a password is required", 1))
    facts = TargetFacts("x86_64", uid=1000, sudo=True, python_path=sys.executable)
    with pytest.raises(AccessDeniedError, match="a password is required"):
        as_link(SshTransport("ann@h"), facts, tmp_path)


def test_without_a_python_that_will_do_it_is_told_what_was_seen() -> None:
    old = FoundPython("3.9.2", "/usr/bin/python3", "is older than 3.10")
    with pytest.raises(SafetyError, match=r"/usr/bin/python3 3\.9\.2 is older than 3\.10"):
        SshTransport("h").start_receiver(TargetFacts("x86_64", uid=0, pythons=(old,)))
    with pytest.raises(SafetyError, match="has no Python"):
        SshTransport("h").start_receiver(TargetFacts("x86_64", uid=0))


def test_a_connection_that_drops_in_the_middle_is_a_transfer_error(fake_ssh: Install, tmp_path: Path) -> None:
    script = """head -c 1000 > /dev/null
printf 'edge-sdk-receiver 1\\nJ\\0\\0\\0\\2{}'
echo 'client_loop: send disconnect: Broken pipe' >&2
exit 255"""
    fake_ssh(script)
    link = as_link(SshTransport("h"), ROOT_FACTS, tmp_path)
    with link, pytest.raises(TransferError, match=r"connection was lost: .*Broken pipe") as caught:
        link.lock("ann")
    assert "goes on where it stopped" in caught.value.hint


def test_a_key_refused_at_the_second_connection_is_explained(fake_ssh: Install, tmp_path: Path) -> None:
    fake_ssh(failing("h: Permission denied (publickey)."))
    with pytest.raises(AccessDeniedError, match="Permission denied"):
        as_link(SshTransport("h"), ROOT_FACTS, tmp_path)


@pytest.fixture
def real_server(tmp_path: Path) -> Path:
    """A configuration for ssh whose host `box` is a real server of our own, without a port: started per connection."""
    server = require_tool("sshd", "openssh-server")
    if os.getuid() != 0:
        skip_loudly("a server for ssh needs root's rights to let root in")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    shutil.copy(tmp_path / "user.pub", tmp_path / "authorized")
    host_key = " ".join((tmp_path / "host.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(f"box {host_key}\n")
    (tmp_path / "sshd_config").write_text(
        f"HostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/authorized\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin yes\nPasswordAuthentication no\n"
    )
    (tmp_path / "config").write_text(
        f"Host box\n  ProxyCommand {server} -i -f {tmp_path}/sshd_config\n  IdentityFile {tmp_path}/user\n"
        f"  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {tmp_path}/known\n"
    )
    return tmp_path / "config"


def test_a_real_server_is_probed_and_installed_to(real_server: Path, tmp_path: Path) -> None:
    Path("/run/sshd").mkdir(exist_ok=True)
    root = tmp_path / "root"
    root.mkdir()
    site = add_site(root, SMALL_AGENT)
    transport = SshTransport("root@box", ssh_config=real_server)
    facts = transport.probe()
    assert facts.uid == 0
    with as_link(transport, replace(facts, python_path=sys.executable), root) as link:
        link.lock("ann")
        blob = bytes(range(256)) * 20_000
        link.put(sha256_of(blob), len(blob), io.BytesIO(blob))
        link.load_agent(site)
        with pytest.raises(BusyError, match="in maintenance"):
            link.call("status", **{"class": "BusyError"})
    assert (root / "opt/edge-sdk/store" / sha256_of(blob)).read_bytes() == blob


def test_a_real_ssh_complains_as_we_expect(real_server: Path, tmp_path: Path) -> None:
    Path("/run/sshd").mkdir(exist_ok=True)
    transport = SshTransport("root@box", ssh_config=real_server)
    known = (tmp_path / "known").read_text()
    (tmp_path / "known").write_text("")
    with pytest.raises(AccessDeniedError, match="its host key is not known yet"):
        transport.probe()
    (tmp_path / "known").write_text(f"box {' '.join((tmp_path / 'user.pub').read_text().split()[:2])}\n")
    with pytest.raises(AccessDeniedError, match="its host key is not the one that is known"):
        transport.probe()
    (tmp_path / "known").write_text(known)
    (tmp_path / "authorized").write_text("")
    with pytest.raises(AccessDeniedError, match="Permission denied") as caught:
        transport.probe()
    assert "ssh-copy-id root@box" in caught.value.hint
    with pytest.raises(TargetNotFoundError, match="resolve"):
        SshTransport("absent.invalid", ssh_config=real_server).probe()
    with pytest.raises(ConfigError):
        SshTransport("box", ssh_config=tmp_path / "absent").probe()

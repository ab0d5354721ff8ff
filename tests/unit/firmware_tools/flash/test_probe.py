from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_sdk.board import load_boards, read_probe
from edge_sdk.errors import EdgeError, TransferError, VerificationError
from firmware_tools.flash.probe import MOST_BYTES, FoundPython, TargetFacts, probe_script, read_facts
from tests.support import require_tool
from tests.unit.board.machines import orin_nano, pi5, write_tree, x86_cpuinfo, x86_gateway

SHELLS = (["dash"], ["busybox", "sh"])


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    argv: list[str] = request.param
    require_tool(argv[0], argv[0])
    return argv


def run(shell: list[str], script: bytes, **environment: str) -> bytes:
    """The script's output, under a shell that has next to nothing else."""
    env = {"PATH": "/usr/bin:/bin", **environment}
    done = subprocess.run([*shell, "-s"], input=script, env=env, capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    return done.stdout


def probed(root: Path, shell: list[str], look_for: tuple[str, ...] = ()) -> TargetFacts:
    return read_facts(run(shell, probe_script(str(root), look_for, ask_pythons=False)))


def answer(*lines: str) -> bytes:
    return "\n".join(["edge-sdk-probe 1", "arch=x86_64", *lines, "edge-sdk-probe end", ""]).encode()


def test_this_machine_tells_what_it_is(shell: list[str]) -> None:
    facts = read_facts(run(shell, probe_script()))
    here = read_probe(environment={})
    assert (facts.arch, facts.cores, facts.bits) == (here.arch, here.cores, 64)
    assert facts.memory_mib == here.memory_mib
    assert facts.free_bytes is not None
    assert facts.free_bytes > 0
    assert facts.uid == 0 or facts.uid > 0
    assert facts.utc.endswith("Z")
    assert facts.utc_s > 1_700_000_000
    assert facts.as_probe().cpu_features == here.cpu_features


def test_the_python_that_will_do_is_found_where_the_system_keeps_it(shell: list[str]) -> None:
    facts = read_facts(run(shell, probe_script()))
    if facts.python_path:
        version = subprocess.run([facts.python_path, "--version"], capture_output=True, text=True, check=True).stdout
        assert version.startswith(f"Python {facts.python}.")
        assert FoundPython(version.split()[1], facts.python_path, "") in facts.pythons
    else:
        assert not [one for one in facts.pythons if not one.problem]


@pytest.mark.parametrize("machine", [pi5, orin_nano, x86_gateway])
def test_a_folder_is_recognised_as_the_machine_it_stands_for(tmp_path: Path, shell: list[str], machine: object) -> None:
    root = machine(tmp_path / "a 'quoted' $(root)")  # type: ignore[operator]
    look_for = load_boards().files_to_look_for()
    facts = probed(root, shell, look_for)
    there = read_probe(root, environment={}, look_for=look_for)
    seen = facts.as_probe()
    assert (seen.cores, seen.memory_mib, seen.compatible) == (there.cores, there.memory_mib, there.compatible)
    assert (seen.model, seen.dmi, seen.files) == (there.model, there.dmi, there.files)
    assert (seen.cpu_parts, seen.cpu_model, seen.cpu_features) == (there.cpu_parts, there.cpu_model, there.cpu_features)


def test_a_device_tree_that_only_sys_shows_is_found(tmp_path: Path, shell: list[str]) -> None:
    root = orin_nano(tmp_path / "root")
    (root / "sys/firmware/devicetree").mkdir(parents=True)
    (root / "proc/device-tree").rename(root / "sys/firmware/devicetree/base")
    facts = probed(root, shell)
    assert facts.compatible[-1] == "nvidia,tegra234"
    assert facts.model.startswith("NVIDIA Jetson Orin Nano")


def test_many_cores_keep_all_features_of_each(tmp_path: Path, shell: list[str]) -> None:
    flags = " ".join(f"flag{number}" for number in range(400))
    root = write_tree(tmp_path / "root", cpuinfo=x86_cpuinfo("Big", 200, flags))
    facts = probed(root, shell)
    assert facts.cores == 200
    assert len(facts.as_probe().cpu_features) == 400
    assert len(facts.cpuinfo) < 20_000


def test_a_folder_with_another_machines_system_betrays_it(tmp_path: Path, shell: list[str]) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/ld-linux-aarch64.so.1").write_text("")
    (tmp_path / "lib/systemd").mkdir()
    (tmp_path / "lib/systemd/systemd").write_text("")
    facts = probed(tmp_path, shell)
    assert (facts.arch, facts.libc, facts.init) == ("aarch64", "glibc", "systemd")


def test_an_empty_folder_says_nothing(tmp_path: Path, shell: list[str]) -> None:
    facts = probed(tmp_path, shell, ("/etc/passwd",))
    assert (facts.memory_mib, facts.cores, facts.compatible, facts.files) == (0, 1, (), frozenset())
    assert (facts.agent, facts.launch, facts.init) == ("", False, "plain")
    assert facts.free_bytes is not None


def test_what_is_installed_is_seen(tmp_path: Path, shell: list[str]) -> None:
    home = tmp_path / "opt/edge-sdk"
    (home / "sites/0123456789abcdef").mkdir(parents=True)
    (home / "agent").symlink_to("sites/0123456789abcdef")
    (home / "launch").write_text("#!/bin/sh\n")
    facts = probed(tmp_path, shell)
    assert (facts.agent, facts.launch) == ("0123456789abcdef", True)


def test_no_value_can_pass_for_another_or_for_the_end(tmp_path: Path, shell: list[str]) -> None:
    root = pi5(tmp_path / "root")
    evil = "x\nmodel=evil\nedge-sdk-probe end\nuid=0\n\x1b[2J$(touch /tmp/never)`id`\\n%s"
    (root / "proc/device-tree/compatible").write_bytes(evil.encode() + b"\0nvidia,real")
    (root / "proc/cpuinfo").write_bytes(evil.encode() + b"\nprocessor : 0\nFeatures : \xff\xfe")
    facts = probed(root, shell)
    assert facts.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts.compatible == (
        *("x", "model=evil", "edge-sdk-probe end", "uid=0", "?[2J$(touch /tmp/never)`id`\\n%s", "nvidia,real"),
    )
    assert "Features : \ufffd\ufffd" in facts.cpuinfo


def test_endless_values_are_cut(tmp_path: Path, shell: list[str]) -> None:
    root = pi5(tmp_path / "root")
    (root / "proc/device-tree/model").write_bytes(b"m" * (4 << 20))
    (root / "proc/device-tree/compatible").write_bytes(b"c\0" * (1 << 20))
    (root / "proc/cpuinfo").write_bytes(b"".join(b"line %d " % n + b"x" * 9000 + b"\n" for n in range(2000)))
    (root / "etc").mkdir()
    (root / "etc/nv_tegra_release").write_bytes(b"# R36 (release), REVISION: 4.3\nmore\n" * 10_000)
    output = run(shell, probe_script(str(root), ask_pythons=False))
    facts = read_facts(output[:MOST_BYTES])
    assert len(facts.model) == 400
    assert len(facts.compatible) <= 600
    assert len(facts.cpuinfo) < MOST_BYTES
    assert facts.l4t == "# R36 (release), REVISION: 4.3"


def test_a_board_named_by_the_environment_there_is_told(shell: list[str]) -> None:
    output = run(shell, probe_script(ask_pythons=False), EDGE_BOARD="sim")
    assert read_facts(output).as_probe().override == "sim"


def test_what_a_login_says_before_is_passed_over() -> None:
    assert read_facts(b"Welcome!\nuid=7\n\n" + answer("uid=0") + b"Bye\nuid=8\n").uid == 0


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (b"", TransferError),
        (b"This account is currently not available.\n", TransferError),
        (answer("uid=0").replace(b"edge-sdk-probe end", b""), TransferError),
        (b"x" * (MOST_BYTES + 1), VerificationError),
        (answer("no equals"), VerificationError),
        (answer("unknown=1"), VerificationError),
    ],
)
def test_what_is_no_answer_is_refused(output: bytes, kind: type[EdgeError]) -> None:
    with pytest.raises(kind):
        read_facts(output)


def test_a_refusal_quotes_what_was_said_harmlessly() -> None:
    with pytest.raises(TransferError, match=r"it said: \\x1b\[2JNo shell for you\.$"):
        read_facts(b"\x1b[2JNo  shell\nfor you.\n")


@pytest.mark.parametrize(
    "line",
    [
        *(
            "uid=x",
            "uid=9" + "9" * 40,
            "cores=-3",
            "cores=" + "9" * 15,
            "memory=lots kB",
            "space=1 2 3",
            "space=a b c d",
        ),
        *("bits=7", "utc=soon", "python=yes 3 /bin/x", "python=yes 3.11.2 relative", "df=\x00 %", "clock=maybe"),
        *("sudo=no", "init=upstart", "agent=../x", "agent=" + "0" * 15),
    ],
)
def test_values_that_make_no_sense_count_as_unknown(line: str) -> None:
    facts = read_facts(answer(line))
    assert facts.cores <= 65536
    assert facts == TargetFacts("x86_64", cores=facts.cores, utc=facts.utc)


@pytest.mark.parametrize(
    ("said", "libc", "version"),
    [
        ("glibc 2.36", "glibc", "2.36"),
        ("ldd (Debian GLIBC 2.31-13+deb11u11) 2.31 Copyright", "glibc", "2.31"),
        ("ldd (GNU libc) 2.34", "glibc", "2.34"),
        ("musl libc (aarch64) Version 1.2.4 Dynamic", "musl", "1.2.4"),
        ("BusyBox", "", ""),
        ("", "", ""),
    ],
)
def test_the_c_library_is_told_by_what_its_tools_say(said: str, libc: str, version: str) -> None:
    facts = read_facts(answer(f"libc={said}"))
    assert (facts.libc, facts.libc_version) == (libc, version)


def test_the_best_python_is_new_enough_whole_and_nobodys_own() -> None:
    facts = read_facts(
        answer(
            "python=yes 3.9.2 /usr/bin/python3",
            "python=no 3.13.1 /usr/bin/python3.13",
            "python=yes 3.10.4 /usr/local/bin/python3.10",
            "python=yes 3.12.1 /opt/python/bin/python3.12",
            "python=yes 3.14.0 /home/ann/.pyenv/shims/python3.14",
            "python=no  /usr/bin/python3.11",
        )
    )
    assert (facts.python, facts.python_path) == ("3.12", "/opt/python/bin/python3.12")
    assert [one.problem for one in facts.pythons] == [
        "is older than 3.10",
        "lacks modules of the standard library",
        *("", "", ""),
    ]
    alone = read_facts(answer("python=yes 3.14.0 /home/ann/python3"))
    assert alone.python_path == "/home/ann/python3"


@pytest.mark.parametrize(
    ("lines", "room"),
    [
        (["space=100 4096 7 9"], (409600, 7)),
        (["space=100 4096 0 0"], (409600, None)),
        (["space=", "df=/dev/sda1 100 50 40 56% /mnt/my disk"], (40960, None)),
        (["space=", "df="], (None, None)),
    ],
)
def test_free_room_is_told_where_anybody_knows(lines: list[str], room: tuple[int | None, int | None]) -> None:
    facts = read_facts(answer(*lines))
    assert (facts.free_bytes, facts.free_inodes) == room


def test_a_32_bit_system_on_a_64_bit_kernel_is_seen() -> None:
    assert read_facts(answer("bits=32")).as_probe().pointer_bits == 32


def test_random_bytes_are_never_more_than_an_error() -> None:
    source = random.Random(7)
    whole = answer("uid=0", "python=yes 3.11.2 /usr/bin/python3", "space=1 2 3 4", "compatible=a")
    refused: list[str] = []
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(source.randrange(1, 8)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        try:
            read_facts(bytes(damaged))
        except EdgeError as error:
            refused.append(error.message)
    assert refused
    assert all(message.isprintable() for message in refused)


def test_the_script_needs_no_tool_beyond_the_shell_to_come_to_its_end(shell: list[str], tmp_path: Path) -> None:
    """Without any tool in PATH most is unknown, but the answer is whole."""
    executable = shutil.which(shell[0])
    assert executable is not None
    script = probe_script(str(tmp_path), ask_pythons=False).replace(b"PATH=$PATH:", b"PATH=/nowhere; : ")
    done = subprocess.run(
        [executable, *shell[1:], "-s"],
        input=script,
        env={"PATH": "/nowhere"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert read_facts(done.stdout).memory_mib == 0

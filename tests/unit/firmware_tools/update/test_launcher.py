"""The script that starts things, run by the real sh in a folder that stands for `/`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_tools.update.launcher import launch_script
from firmware_tools.update.layout import SITE, Layout
from firmware_tools.update.site import site_link

#: Stands for Python: says how it was started; for an application it waits for a word before it looks at its packages.
PYTHON = """#!/bin/sh
for word; do printf '%s|' "$word"; done
printf '\\n%s\\n%s\\n%s\\n%s\\n' "$(pwd -P)" "${PYTHONPATH-none}" "${PYTHONSAFEPATH-none}" "${EDGE_SDK_HEALTH-none}"
if [ -n "${WAIT-}" ]; then
    read -r word
    cat "$PYTHONPATH/which"
    cat pipeline.toml
fi
"""
SITES = ("a" * 16, "b" * 16)


@pytest.fixture(params=["root", 'a root\'s "odd" $(name)'])
def layout(tmp_path: Path, request: pytest.FixtureRequest) -> Layout:
    layout = Layout(tmp_path / request.param)
    layout.home.mkdir(parents=True)
    python = layout.root / "my py'thon"
    python.write_text(PYTHON)
    python.chmod(0o755)
    layout.launch.write_text(launch_script(str(python)))
    layout.launch.chmod(0o755)
    for number, site in enumerate(SITES):
        (layout.sites / site).mkdir(parents=True)
        (layout.sites / site / "which").write_text(f"site {number}\n")
        slot = layout.slot("app", f"slot{number}")
        slot.mkdir(parents=True)
        (slot / SITE).symlink_to(site_link(site))
        (slot / "pipeline.toml").write_text(f"slot {number}\n")
    layout.current("app").symlink_to("slots/slot0")
    return layout


def start(layout: Layout, *words: str, **variables: str) -> list[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": "/not/mine", "CDPATH": "/", **variables}
    done = subprocess.run(
        [layout.launch, *words], env=environment, capture_output=True, text=True, timeout=20, check=True, cwd="/"
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_an_application_runs_in_its_slot_with_its_packages(layout: Layout) -> None:
    slot, site = layout.slot("app", "slot0").resolve(), (layout.sites / SITES[0]).resolve()
    said = start(layout, "app", "app")
    assert said == ["-m|edge_sdk.cli.main|run|pipeline.toml|", str(slot), str(site), "1", str(layout.health("app"))]
    assert start(layout, "app", "app", EDGE_SDK_HEALTH="/run/x")[-1] == "/run/x"


def test_without_a_site_the_packages_are_those_of_the_system(layout: Layout) -> None:
    (layout.slot("app", "slot0") / SITE).unlink()
    assert start(layout, "app", "app")[2] == "none"
    assert start(layout, "device", "facts")[2] == "none"


def test_the_devices_side_runs_from_its_own_site_and_knows_its_root(layout: Layout) -> None:
    layout.agent.symlink_to(f"sites/{SITES[1]}")
    said = start(layout, "device", "choose", "two words", "")
    assert said[0] == f"-m|firmware_tools.update|--root|{layout.root}|choose|two words||"
    assert said[2] == str((layout.sites / SITES[1]).resolve())
    assert said[3:] == ["1", "none"]


def test_packages_that_are_gone_are_not_replaced_by_those_of_the_system(layout: Layout) -> None:
    (layout.sites / SITES[0] / "which").unlink()
    (layout.sites / SITES[0]).rmdir()
    done = subprocess.run([layout.launch, "app", "app"], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert "app: the packages of this version are gone" in done.stderr


@pytest.mark.parametrize("words", [("app", "app"), ("device", "facts")])
def test_nothing_is_imported_from_a_users_own_folder_and_nothing_written_to_a_site(
    layout: Layout, words: tuple[str, ...]
) -> None:
    layout.agent.symlink_to(f"sites/{SITES[1]}")
    (layout.root / "my py'thon").write_text(
        '#!/bin/sh\nprintf \'%s\\n\' "$PYTHONNOUSERSITE" "$PYTHONDONTWRITEBYTECODE"\n'
    )
    assert start(layout, *words) == ["1", "1"]


def test_a_switch_does_not_reach_into_a_running_program(layout: Layout) -> None:
    environment = {"PATH": os.environ["PATH"], "WAIT": "1"}
    with subprocess.Popen(
        [layout.launch, "app", "app"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline().startswith("-m|")
        layout.current("app").unlink()
        layout.current("app").symlink_to("slots/slot1")
        said, _ = child.communicate("go\n", timeout=20)
    assert said.splitlines()[-2:] == ["site 0", "slot 0"]
    assert start(layout, "app", "app")[2] == str((layout.sites / SITES[1]).resolve())


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        ((), 2, "expected: launch device"),
        (("stop",), 2, "expected: launch device"),
        (("app",), 2, "expected: launch app NAME"),
        (("app", "a", "b"), 2, "expected: launch app NAME"),
        (("app", "../../etc"), 2, "no name"),
        (("app", ""), 2, "no name"),
        (("app", "-x"), 2, "no name"),
        (("app", "nobody"), 4, "nobody has no version"),
    ],
)
def test_what_makes_no_sense_is_refused(layout: Layout, words: tuple[str, ...], code: int, part: str) -> None:
    done = subprocess.run([layout.launch, *words], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == code
    assert part in done.stderr
    assert not done.stdout


def test_links_above_it_do_not_change_the_root(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "link").mkdir()
    (tmp_path / "link/opt").symlink_to(layout.root / "opt")
    launch = Layout(tmp_path / "link").launch
    done = subprocess.run([launch, "device", "x"], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.startswith(f"-m|firmware_tools.update|--root|{tmp_path / 'link'}|x|")


def test_elsewhere_it_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "launch").write_text(launch_script(sys.executable))
    done = subprocess.run(["sh", tmp_path / "launch", "device", "facts"], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "expected ROOT/opt/edge-sdk" in done.stderr

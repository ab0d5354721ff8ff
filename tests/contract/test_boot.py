"""What every row of BOOT keeps: files that follow `current`, again and again without harm; a folder is only files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from firmware_tools.update.boot import BOOT, boot_of, detect_boot
from firmware_tools.update.boot.base import Boot
from firmware_tools.update.layout import Layout
from firmware_tools.update.state import State, save_state

APP = "press-7.a_b"
OTHER = "press-7"
SLOT = "1.0.0-0123456789ab"
RULES = f"system/70-edge-sdk-{APP}.rules"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "root")
    for name in (APP, OTHER):
        (found.slot(name, SLOT) / "system").mkdir(parents=True)
        found.current(name).symlink_to(f"slots/{SLOT}")
        save_state(found.state(name), State(confirmed=SLOT))
    (found.slot(APP, SLOT) / RULES).write_text("# none\n")
    for number in range(7):
        (found.root / f"etc/rc{number}.d").mkdir(parents=True)
    return found


@pytest.fixture(params=sorted(BOOT))
def boot(request: pytest.FixtureRequest, layout: Layout) -> Boot:
    made: Boot = BOOT.load(request.param)(layout)
    return made


def tree(layout: Layout) -> dict[str, tuple[str, int]]:
    """What lies under /etc: path -> target or content, and inode."""
    found = {}
    for path in sorted((layout.root / "etc").rglob("*")):
        if path.is_symlink() or path.is_file():
            text = os.readlink(path) if path.is_symlink() else path.read_text()
            found[str(path.relative_to(layout.root))] = (text, path.lstat().st_ino)
    return found


def others(layout: Layout) -> list[Path]:
    return sorted(path for path in layout.root.rglob("*") if "etc" not in path.relative_to(layout.root).parts)


def test_installing_writes_only_below_etc_and_twice_is_once(boot: Boot, layout: Layout) -> None:
    outside = others(layout)
    boot.install(APP)
    once = tree(layout)
    assert once
    boot.install(APP)
    assert tree(layout) == once
    assert (
        sorted(path for path in layout.root.rglob("*") if "etc" not in path.relative_to(layout.root).parts) == outside
    )


def test_every_link_leads_through_current_or_stays_below_etc(boot: Boot, layout: Layout) -> None:
    boot.install(APP)
    for path, (target, _) in tree(layout).items():
        if (layout.root / path).is_symlink():
            where = target if target.startswith("/") else os.path.normpath(f"/{os.path.dirname(path)}/{target}")
            assert where.startswith((f"/opt/edge-sdk/apps/{APP}/current/system/", "/etc/")), (path, target)


def test_device_rules_follow_current(boot: Boot, layout: Layout) -> None:
    boot.install(APP)
    link = layout.root / f"etc/udev/rules.d/70-edge-sdk-{APP}.rules"
    assert os.readlink(link) == f"/opt/edge-sdk/apps/{APP}/current/{RULES}"


def test_installing_mends_what_was_damaged(boot: Boot, layout: Layout) -> None:
    boot.install(APP)
    whole = {path: text for path, (text, _) in tree(layout).items()}
    for path in whole:
        (layout.root / path).unlink()
        (layout.root / path).symlink_to("/nowhere")
    boot.install(APP)
    assert {path: text for path, (text, _) in tree(layout).items()} == whole


def test_removing_leaves_nothing_of_it_and_all_of_the_others(boot: Boot, layout: Layout) -> None:
    boot.install(OTHER)
    before = tree(layout)
    boot.install(APP)
    boot.remove(APP)
    assert tree(layout) == before
    boot.remove(APP)


def test_in_a_folder_nothing_runs_and_nothing_is_asked_for(boot: Boot) -> None:
    boot.reload()
    boot.restart(APP)
    boot.stop(APP)
    service = boot.service(APP)
    assert (service.running, service.pid, service.starts, service.failed) == (False, 0, 0, "")
    assert service.detail
    assert boot.logs(APP, 100) == []


@pytest.mark.parametrize(
    ("files", "row"),
    [
        ((), "plain"),
        (("usr/lib/systemd/systemd",), "systemd"),
        (("lib/systemd/systemd",), "systemd"),
        (("run/systemd/system/x",), "systemd"),
        (("usr/bin/systemctl",), "plain"),
    ],
)
def test_a_folder_has_the_boot_chooser_of_its_files(tmp_path: Path, files: tuple[str, ...], row: str) -> None:
    for path in files:
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    layout = Layout(tmp_path)
    assert detect_boot(layout) == row
    assert type(boot_of(layout)) is BOOT.load(row)


def test_a_machine_is_judged_by_what_runs_not_by_its_files() -> None:
    running = Path("/run/systemd/system").is_dir()
    assert detect_boot(Layout(Path("/"))) == ("systemd" if running else "plain")

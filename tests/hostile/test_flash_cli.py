"""The real `edge-sdk flash`, `status`, `init`, `test` and `bundle` against what an operator can get wrong.

Each row: what is typed, the exit code, and words of the error. Common to all: one `error:` line, no traceback, no hang;
with `--json` only JSON on stdout; and the folder that stands for a device stays as empty as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from firmware_tools.sign.root import without_key
from tests.hostile.cli_process import Bench, Done, Pool, assert_clean, assert_refused, names
from tests.support import preloadable
from tests.unit.firmware_tools.bundles import FILES, bundle_bytes, manifest_of, new_keys, trusting

FLASH = "flash --board sim --dir root --trust trust --yes"
CLOCK = Path(__file__).with_name("clock.c")
#: 1970-01-02 and 2099-01-01.
CLOCKS = {"1970": "86400", "2099": "4070908800"}


class Row(NamedTuple):
    """`argv` typed in the folder of bad files must leave with `code` and say `word`."""

    name: str
    argv: str
    code: int
    word: str


def rows() -> Iterator[Row]:
    for json_ in ("", " --json"):
        for name, code, word in (
            ("none.edgeb", 4, "none.edgeb: no such file"),
            ("app.edgeb/x", 4, "no such file"),
            ("folder.edgeb", 4, "is no regular file"),
            ("pipe.edgeb", 4, "is no regular file"),
            ("empty.edgeb", 3, "is no bundle"),
            ("noise.edgeb", 3, "is no bundle"),
            ("huge.edgeb", 3, "is no bundle"),
            ("wrong.edgeb", 12, "is not trusted"),
            ("unsigned.edgeb", 12, "it is not signed"),
            ("cut.edgeb", 3, "cut.edgeb"),
            ("long.edgeb", 3, "long.edgeb"),
            ("damaged.edgeb", 8, "is damaged"),
            ("other-board.edgeb", 5, "the bundle is for raspberrypi-5"),
            ("other-arch.edgeb", 5, "the bundle is for aarch64"),
            ("pipe.toml", 4, "is no regular file"),
            ("folder.toml", 4, "is a folder"),
            ("noise.toml", 3, "not UTF-8"),
        ):
            yield Row(f"flash-{name}{json_}", f"{FLASH} {name}{json_}", code, word)
    yield Row("dir-unset", "flash --board sim --dir= app.edgeb --yes", 2, "--dir: expected a target, got nothing")
    yield Row("host-unset", "flash --host= app.edgeb --yes", 2, "--host: expected a target, got nothing")
    yield Row("dir-none", "flash --board sim --dir none app.edgeb --yes", 4, "try: mkdir -p none")
    yield Row("dir-file", "flash --board sim --dir app.edgeb app.edgeb --yes", 4, "no such folder")
    yield Row("two-targets", f"{FLASH} --host h app.edgeb", 2, "expected one target")
    yield Row("port-of-a-folder", f"{FLASH} --port 22 app.edgeb", 2, "--port: is for ssh, not for --dir")
    yield Row("rollback-gate", "flash --dir root --rollback --gate 5", 2, "--gate: is for what is installed")
    yield Row("rollback-nothing", "flash --dir root --rollback --yes", 4, "nothing is installed there")
    yield Row("key-pipe", "bundle sign app.edgeb --key pipe.edgeb", 4, "pipe.edgeb: is no regular file")
    yield Row("trust-none", f"{FLASH} app.edgeb --trust none", 4, "none: holds no trust root")
    yield Row("host-option", "flash --host=-oProxyCommand=id app.edgeb", 2, "expected a configured name")
    yield Row("host-shell", "flash --host $(id) app.edgeb", 2, "is no host for ssh")
    yield Row("nobody-there", f"{FLASH.removesuffix(' --yes')} app.edgeb", 2, "try: --yes")
    yield Row("status-nothing", "status --dir root --json", 4, "nothing is installed there")
    yield Row("status-logs", "status --dir root --logs 0", 2, "expected 1 to 10000")
    yield Row("init-over", "init folder-with-file", 5, "is not empty")
    yield Row("init-name", "init ..", 2, "is no name for a project")
    yield Row("init-host", "init new --host=-oProxyCommand=id", 2, "expected what ssh takes")
    yield Row("test-pipe", "test pipe.toml", 4, "is no regular file")
    yield Row("bundle-counter", "bundle good.toml -o x.edgeb --counter 0", 2, "expected 1 to")
    yield Row("show-pipe", "bundle show pipe.edgeb", 4, "is no regular file")
    yield Row("wheels-python", "bundle wheels w --python 2.7", 2, "expected 3.10 or newer")


ROWS = tuple(rows())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("flash")
    root, me, other = new_keys(folder, "rootkey", "me", "other")
    trusting(folder / "trust", root, me)
    good, needs = bundle_bytes([me]), manifest_of(FILES).requires
    bundles = {
        "app": good,
        "empty": b"",
        "noise": bytes(range(256)),
        "wrong": bundle_bytes([other]),
        "unsigned": bundle_bytes([]),
        "cut": good[:-1],
        "long": good + b"x",
        "damaged": good[:-1] + bytes([good[-1] ^ 1]),
        "other-board": bundle_bytes([me], requires=replace(needs, boards=("raspberrypi-5",))),
        "other-arch": bundle_bytes([me], requires=replace(needs, arch="aarch64")),
    }
    for name, data in bundles.items():
        (folder / f"{name}.edgeb").write_bytes(data)
    (folder / "noise.toml").write_bytes(bytes(range(256)))
    (folder / "good.toml").write_text('name = "app"\n')
    for name in ("root", "home", "folder.edgeb", "folder.toml", "folder-with-file"):
        (folder / name).mkdir()
    (folder / "folder-with-file/x").touch()
    for name in ("pipe.edgeb", "pipe.toml"):
        os.mkfifo(folder / name)
    (folder / "huge.edgeb").touch()
    os.truncate(folder / "huge.edgeb", 20 << 30)
    drop = ("EDGE_SDK_DEBUG", "EDGE_BOARD", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in drop}
    return Bench(folder, environment | {"HOME": str(folder / "home")})


@pytest.fixture(scope="module")
def pool(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Pool]:
    chosen = [getattr(getattr(item, "callspec", None), "params", {}).get("row") for item in request.session.items]
    running = Pool((row.name, partial(bench.run, *row.argv.split())) for row in chosen if row in ROWS)
    yield running
    running.close()


@pytest.mark.parametrize("row", ROWS, ids=names(ROWS))
def test_a_mistake_is_refused_and_nothing_is_written(row: Row, pool: Pool, bench: Bench) -> None:
    done: Done = pool.result(row.name)
    told = [json.loads(line) for line in done.out.splitlines()]
    if row.argv.startswith("flash") and row.argv.endswith("--json"):
        assert (told[-1]["event"], told[-1]["outcome"], told[-1]["exit_code"]) == ("result", "failed", row.code)
        done = Done(done.argv, done.code, b"", done.err)
    assert_refused(done, row.code, row.word)
    assert list((bench.folder / "root").iterdir()) == []


@pytest.mark.parametrize("year", CLOCKS)
def test_no_clock_changes_whom_a_device_believes(year: str, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    root, me, other = new_keys(tmp_path, "rootkey", "me", "other")
    store = trusting(tmp_path / "trust", root, me, other)
    environment = {"LD_PRELOAD": str(preloadable(CLOCK)), "EDGE_TEST_CLOCK_S": CLOCKS[year], "HOME": str(tmp_path)}
    here = Bench(tmp_path, bench.environment | environment)

    def flash(data: bytes, options: str = "") -> int:
        (tmp_path / "app.edgeb").write_bytes(data)
        done = here.run(*f"{FLASH} app.edgeb {options}".split())
        assert_clean(done)
        return done.code

    def receipts() -> list[dict[str, Any]]:
        return [json.loads(path.read_bytes()) for path in tmp_path.glob(".local/state/edge-sdk/receipts/*.json")]

    assert flash(bundle_bytes([])) == 12
    assert flash(bundle_bytes([me])[:-1] + b"\0") == 8
    assert list((tmp_path / "root").iterdir()) == []
    assert flash(bundle_bytes([me])) == 0
    assert [receipt["utc"][:4] for receipt in receipts()] == [year], "the clock was not the wrong one"
    assert here.run("status", "--dir", "root", "--confirm").code == 0
    assert flash(bundle_bytes([me], version="0.9.0", counter=9)) == 12
    assert flash(bundle_bytes([other], version="2.0.0", counter=20)) == 0
    before = store.root()
    store.amend(replace(without_key(before, other.id), version=before.version + 1), [root])
    assert flash(bundle_bytes([other], version="3.0.0", counter=30)) == 12
    assert flash(bundle_bytes([me], version="3.0.0", counter=30)) == 0

"""Golden vectors asked on the device, by the real command line, with the slot's own packages."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from edge_sdk.errors import DeadlineError, VerificationError
from firmware_tools.bundle import inspect_bundle
from firmware_tools.bundle.build import Order, build_bundle
from firmware_tools.bundle.writer import Content, entries_of, write_bundle
from firmware_tools.sign import TrustStore, generate
from firmware_tools.update.layout import SITE, Layout
from firmware_tools.update.selftest import packages_of, selftest
from firmware_tools.update.site import site_link
from firmware_tools.update.slot import parse_head
from tests.support import REPOSITORY
from tests.unit.firmware_tools.bundles import trusting

DEMO = REPOSITORY / "examples/demo/pipeline.toml"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real one, with a real model and its recorded answers."""
    folder = tmp_path_factory.mktemp("bundle")
    key, root = generate(folder / "me.pem"), generate(folder / "root.pem")
    build_bundle(Order(DEMO, folder / "app.edgeb", name="motor", version="1.0.0"), [key])
    trusting(folder / "trust", root, key)
    assert TrustStore(folder / "trust").exists()
    return folder / "app.edgeb"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def put(layout: Layout, path: Path) -> str:
    """The slot of a bundle, without the checks of `build_slot`."""
    with inspect_bundle(path) as bundle:
        head = bundle.sealed.head()
        slot = parse_head(head).slot
        layout.slots(bundle.manifest.name).mkdir(parents=True)
        bundle.extract(layout.slot(bundle.manifest.name, slot))
    (layout.slot("motor", slot) / "sealed.head").write_bytes(head)
    return slot


def with_answer(bundle: Path, folder: Path, change: int) -> Path:
    """The same bundle, but another answer was recorded."""
    with inspect_bundle(bundle) as old:
        manifest = old.manifest
        old.extract(folder / "files")
    (golden,) = manifest.golden
    contents = [Content(entry.path, entry.role, folder / "files" / entry.path) for entry in manifest.files]
    answer = folder / "files" / golden.outputs[0]
    array = np.load(io.BytesIO(answer.read_bytes()))
    array.flat[0] ^= change
    np.save(answer, array)
    write_bundle(folder / "other.edgeb", replace(manifest, files=entries_of(contents)), contents, [])
    return folder / "other.edgeb"


def test_the_models_answer_as_recorded_and_nothing_is_left_behind(bundle: Path, layout: Layout) -> None:
    slot = put(layout, bundle)
    before = sorted(layout.root.rglob("*"))
    assert selftest(layout, "motor", slot) == 1
    assert sorted(layout.root.rglob("*")) == before


def test_only_the_models_that_are_named_are_asked(bundle: Path, layout: Layout, tmp_path: Path) -> None:
    slot = put(layout, with_answer(bundle, tmp_path, 1))
    assert selftest(layout, "motor", slot, []) == 0
    assert selftest(layout, "motor", slot, ["models/other.wasm"]) == 0
    with pytest.raises(VerificationError):
        selftest(layout, "motor", slot, ["models/motor.wasm"])


def test_another_answer_names_the_model(bundle: Path, layout: Layout, tmp_path: Path) -> None:
    slot = put(layout, with_answer(bundle, tmp_path, 1))
    with pytest.raises(VerificationError, match=r"models/motor\.wasm: output 0 is not the recorded one"):
        selftest(layout, "motor", slot)


def test_a_model_that_does_not_run_is_named(bundle: Path, layout: Layout) -> None:
    slot = put(layout, bundle)
    (layout.slot("motor", slot) / "models/motor.wasm").write_bytes(b"\0asm\1\0\0\0")
    with pytest.raises(VerificationError, match=r"models/motor\.wasm: "):
        selftest(layout, "motor", slot)


def own_site(layout: Layout, slot: str, code: str) -> Path:
    """Packages of the slot: code that runs when its Python starts."""
    site = layout.sites / ("a" * 16)
    site.mkdir(parents=True)
    (layout.slot("motor", slot) / SITE).symlink_to(site_link(site.name))
    (site / "sitecustomize.py").write_text(code)
    return site


def test_it_is_asked_with_the_slots_own_packages(
    bundle: Path, layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    slot = put(layout, bundle)
    site = own_site(layout, slot, f"open({str(tmp_path / 'seen')!r}, 'a').write(__file__ + chr(10))")
    assert packages_of(layout.slot("motor", slot))["PYTHONPATH"] == str(site)
    assert selftest(layout, "motor", slot) == 1
    seen = (tmp_path / "seen").read_text().split()
    assert len(seen) >= 2  # the one who asks, and the one who answers
    assert set(seen) == {str(site / "sitecustomize.py")}
    assert not list(site.rglob("__pycache__"))  # nothing is written to a site


def test_packages_that_do_not_start_fail_with_their_last_word(bundle: Path, layout: Layout) -> None:
    slot = put(layout, bundle)
    own_site(layout, slot, "import os; os.write(2, b'cannot load numpy\\n'); os._exit(7)")
    with pytest.raises(VerificationError, match="ended with code 7: cannot load numpy"):
        selftest(layout, "motor", slot)


def test_what_hangs_is_ended_with_all_it_has_started(bundle: Path, layout: Layout, tmp_path: Path) -> None:
    slot = put(layout, bundle)
    pid = tmp_path / "pid"
    code = f"""
import subprocess, sys, time
if "firmware_tools.update.selftest" not in sys.orig_argv:
    open({str(pid)!r}, "w").write(str(subprocess.Popen(["sleep", "1000"]).pid))
    time.sleep(1000)
"""
    own_site(layout, slot, code)
    with pytest.raises(DeadlineError, match=r"models/motor\.wasm: not done after"):
        selftest(layout, "motor", slot, deadline_s=3)
    sleeper, give_up_s = Path(f"/proc/{pid.read_text()}/stat"), time.monotonic() + 10
    while sleeper.exists() and sleeper.read_text().split()[2] != "Z":
        assert time.monotonic() < give_up_s
        os.sched_yield()


def test_a_slot_without_models_has_nothing_to_ask(layout: Layout, tmp_path: Path, bundle: Path) -> None:
    with inspect_bundle(bundle) as old:
        manifest = old.manifest
    contents = [Content("pipeline.toml", "pipeline", b"")]
    write_bundle(tmp_path / "none.edgeb", replace(manifest, golden=(), files=entries_of(contents)), contents, [])
    assert selftest(layout, "motor", put(layout, tmp_path / "none.edgeb")) == 0

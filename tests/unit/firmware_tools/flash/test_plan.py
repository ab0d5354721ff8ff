from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edge_sdk.errors import SafetyError, UsageError
from firmware_tools.bundle.manifest import FileEntry, Manifest
from firmware_tools.flash.plan import Plan, Step, There, Want, plan_install, plan_rollback
from firmware_tools.update.messages import AppStatus, Slot
from firmware_tools.update.site import site_of
from firmware_tools.update.state import Failure
from tests.unit.firmware_tools.bundles import FILES, manifest_of

SHA = "ab" * 32
WHEEL = "wheels/edge_sdk-0.1.0-cp310-abi3-manylinux_2_17_x86_64.whl"


def manifest(*, wheels: bool = True) -> Manifest:
    plain = manifest_of(FILES)
    wheel = FileEntry(path=WHEEL, role="wheel", sha256="cd" * 32, size=1000)
    return replace(plain, files=(*plain.files, wheel)) if wheels else plain


def want(**changes: Any) -> Want:
    return replace(Want(manifest(), SHA, 1), **changes)


def there(**changes: Any) -> There:
    return replace(There("root@x", "sim", restarts=True, agent="", loads="", trust_version=1), **changes)


SLOT = want().slot
SITE = site_of(manifest())


def slot(name: str) -> Slot:
    return Slot(name, name.rpartition("-")[0], 1, SHA)


def app(**changes: Any) -> AppStatus:
    plain = AppStatus(
        name="app",
        phase="running",
        current="",
        confirmed=slot("0.9.0-aaaaaaaaaaaa"),
        previous=None,
        trial=None,
        kind="update",
        attempts=0,
        failures=(),
        pid=1,
        verdict="",
        results=0,
        p99_ms=0.0,
        memory_mib=0,
        delivered=0,
        waiting=0,
    )
    return replace(plain, **changes)


def kinds(plan: Plan) -> str:
    return " ".join(step.kind for step in plan.steps)


FULL = "build verify selftest activate restart gate collect receipt"


def test_a_first_install_sends_the_devices_side_and_trust_before_the_device_checks() -> None:
    plan = plan_install(want(), there(agent=None, loads=None, trust_version=0))
    end = FULL.removeprefix("build ")
    assert kinds(plan) == f"lock put site load adopt trust check put put build {end}"
    assert plan.steps[1].arguments == {"path": WHEEL}
    assert plan.bytes == 1000 + sum(map(len, FILES.values()))


def test_a_later_install_lets_the_installed_side_check_before_anything_is_sent() -> None:
    plan = plan_install(want(), there(agent=SITE, loads=SITE, sites=(SITE,), app=app()))
    assert kinds(plan) == f"lock load check put put {FULL}"
    assert plan.replaces == "0.9.0"


def test_new_packages_are_sent_after_the_check() -> None:
    plan = plan_install(want(), there(agent="0" * 16, loads="0" * 16, sites=("0" * 16,)))
    assert kinds(plan) == f"lock load check put put put site {FULL}"


def test_packages_of_the_targets_python_are_adopted_once_the_slot_is_there() -> None:
    plan = plan_install(want(manifest=manifest(wheels=False)), there(agent=None, loads="", trust_version=0))
    assert kinds(plan) == f"lock load trust check put put {FULL}".replace("build", "build adopt")


def test_what_is_stored_or_kept_is_not_sent_again() -> None:
    one, two = (entry for entry in manifest().files if entry.role != "wheel")
    place = there(agent=SITE, loads=SITE, sites=(SITE,), stored={one.sha256: 3}, had=(two.sha256,))
    plan = plan_install(want(), place)
    assert [(step.id, step.bytes) for step in plan.steps if step.bytes] == [(f"put:{one.sha256}", one.size - 3)]
    everything = {entry.sha256: entry.size for entry in manifest().files}
    assert plan_install(want(), there(agent=SITE, loads=SITE, stored=everything)).bytes == 0


def test_two_files_with_one_content_are_sent_once() -> None:
    files = {"models/a.wasm": b"same", "models/b.wasm": b"same", "pipeline.toml": b"x"}
    plan = plan_install(want(manifest=manifest_of(files)), there())
    assert kinds(plan).count("put") == 2


def test_changed_keys_are_told_before_the_check() -> None:
    plan = plan_install(want(root_version=3), there(trust_version=2))
    assert kinds(plan).startswith("lock load trust check")
    assert plan.steps[2].arguments == {"version": 3}
    assert "trust" not in kinds(plan_install(want(root_version=2), there(trust_version=2)))
    assert "trust" not in kinds(plan_install(want(root_version=0), there(trust_version=2)))


def test_nothing_is_restarted_in_a_folder() -> None:
    plan = plan_install(want(manifest=manifest(wheels=False)), there(restarts=False, called="sim"))
    assert kinds(plan) == "lock load check put put build verify selftest activate collect receipt"
    assert plan.steps[2].arguments == {"allow_downgrade": False, "board": "sim"}
    plan = plan_install(want(), there(restarts=False, tests=False))
    assert "selftest" not in kinds(plan)


def test_who_does_not_wait_leaves_verdict_and_tidying_to_the_device() -> None:
    plan = plan_install(want(wait=False), there())
    assert kinds(plan).endswith("activate restart receipt")


def test_the_figures_of_the_gate_come_from_the_bundle_unless_they_are_said() -> None:
    (step,) = (one for one in plan_install(want(), there()).steps if one.kind == "activate")
    assert step.arguments == {"kind": "update", "now": False, "gate_s": 60, "hold_s": 10}
    said = want(gate_s=5, hold_s=8, kind="watch", now=True)
    (step,) = (one for one in plan_install(said, there()).steps if one.kind == "activate")
    assert step.arguments == {"kind": "watch", "now": True, "gate_s": 5, "hold_s": 5}


def test_while_watching_packages_that_are_there_are_not_read_back() -> None:
    def verified(**changes: Any) -> dict[str, Any]:
        steps = plan_install(want(**changes), there(sites=(SITE,))).steps
        return next(one.arguments for one in steps if one.kind == "verify")

    assert verified(kind="watch") == {"packages": False}
    assert verified() == {}
    new = plan_install(want(kind="watch"), there()).steps
    assert [one.arguments for one in new if one.kind == "verify"] == [{}]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"confirmed": slot(SLOT)}, "lock load check verify collect receipt"),
        ({"confirmed": slot(SLOT), "phase": "stopped"}, "lock load check verify activate restart gate collect receipt"),
        (
            {"trial": slot(SLOT), "phase": "trial", "attempts": 1},
            "lock load check verify gate collect receipt",
        ),
        (
            {"trial": slot(SLOT), "phase": "waiting for a boot"},
            "lock load check verify restart gate collect receipt",
        ),
        ({"previous": slot(SLOT)}, "lock load check verify selftest activate restart gate collect receipt"),
    ],
)
def test_a_version_that_is_there_goes_on_where_it_is(changes: dict[str, Any], expected: str) -> None:
    assert kinds(plan_install(want(), there(app=app(**changes)))) == expected


def test_what_a_person_should_know_is_noted() -> None:
    failure = Failure(SLOT, "no results", 3, "2026")
    plan = plan_install(want(), there(app=app(failures=(failure,), trial=slot("0.9.1-bbbbbbbbbbbb"))))
    assert plan.notes == (
        "this version was tried here before and failed: no results",
        "version 0.9.1 is on trial there and is given up for this",
    )


def test_a_bare_target_needs_a_bundle_that_brings_the_devices_side() -> None:
    with pytest.raises(SafetyError, match="brings no wheels"):
        plan_install(want(manifest=manifest(wheels=False)), there(agent=None, loads=None))


def test_a_plan_that_erases_a_medium_cannot_be_made() -> None:
    step = Step("wipe", "wipe", "erases-media", "wipe the disk", {}, 0)
    with pytest.raises(SafetyError, match="would erase a medium"):
        Plan("x", "", "app", "1.0.0", SLOT, "", 0, (), (step,))


def test_the_ids_of_steps_are_unique() -> None:
    with pytest.raises(ValueError, match="share an id"):
        Plan("x", "", "app", "1.0.0", SLOT, "", 0, (), (Step("a", "a", "safe", "", {}, 0),) * 2)


def test_going_back_puts_the_version_before_on_trial() -> None:
    before = slot("0.8.0-cccccccccccc")
    plan = plan_rollback("app", there(app=app(previous=before)))
    assert kinds(plan) == "lock load rollback restart gate receipt"
    assert (plan.version, plan.slot) == ("0.8.0", before.id)
    assert kinds(plan_rollback("app", there(app=app(previous=before), restarts=False))) == "lock load rollback receipt"


def test_going_back_from_a_trial_needs_no_verdict() -> None:
    plan = plan_rollback("app", there(app=app(trial=slot(SLOT))))
    assert kinds(plan) == "lock load rollback receipt"
    assert plan.version == "0.9.0"
    first = plan_rollback("app", there(app=app(trial=slot(SLOT), confirmed=None)))
    assert (first.version, first.slot) == ("", "")


@pytest.mark.parametrize("status", [None, app()])
def test_going_back_needs_an_earlier_version(status: AppStatus | None) -> None:
    with pytest.raises(UsageError, match="no earlier version of app"):
        plan_rollback("app", there(app=status))

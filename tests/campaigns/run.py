"""The long runs: every number of the promise "the old or the new version, whole" that a test can only sample.

    python -m tests.campaigns.run --seed 7 --moments 500 --out build/campaign.json
    python -m tests.campaigns.run --only faults

Each campaign is a row of CAMPAIGNS. The result is one JSON line with counts, seed and date, on stdout and in --out;
the exit code is 1 when a promise was broken, and `mistakes` says how.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tests.hostile.faults.driver import count_calls, drive
from tests.hostile.faults.shim import ACTIONS
from tests.target.candidates import EXPECTED, goes_back
from tests.target.checker import Unsealed
from tests.target.flashing import flash
from tests.target.gateway import Gateway, Init
from tests.target.killing import (
    FolderPlace,
    Moment,
    Tally,
    Victim,
    in_parallel,
    kill_round,
    random_moments,
    step_moments,
    timed,
)
from tests.target.project import Project, memory_disk, project, tiny_wheel
from tests.target.releases import Releases, drop_round, installed_folder
from tests.target.wire import Wire

#: Of a folder, and of a gateway, whose power can be cut too.
VICTIMS: tuple[Victim, ...] = ("operator", "receiver")
ALL_VICTIMS: tuple[Victim, ...] = (*VICTIMS, "machine")


class AnyTally(Protocol):
    """What each kind of round counts."""

    rounds: int
    mistakes: list[str]


def faults(rng: random.Random, moments: int) -> dict[str, Any]:
    """Every change on the device fails once, in every way; for an update and for a first installation."""
    out: dict[str, Any] = {}
    with scratch() as folder:
        app = project()
        old, new = app.release("1.0.0"), app.release("2.0.0", wheels=tiny_wheel(folder / "wheels"))
        updated = installed_folder(app, old, folder / "update")
        empty = FolderPlace(folder / "nothing", folder / "root")
        empty.template.mkdir()
        for name, place, releases in (("update", updated, [old, new]), ("first", empty, [old])):
            calls = count_calls(place, app, releases[-1], folder)
            for action in ACTIONS:
                tally = drive(place, app, releases, action, range(1, len(calls) + 1), folder)
                out[f"{name} {action}"] = {"calls": len(calls), **vars(tally)}
                report(f"faults: {name} {action}", tally)
    return out


def kills_in_a_folder(rng: random.Random, moments: int) -> dict[str, Any]:
    """SIGKILL at every step and at random moments, over `dir`."""
    with scratch() as folder:
        app = project()
        releases = [app.release("1.0.0"), app.release("2.0.0")]
        place = installed_folder(app, releases[0], folder / "update")

        place.restore()
        ended, longest_s = timed(lambda: flash(app, releases[1].path, *place.words))
        assert ended.code == 0, ended
        out = {}
        steps = [(moment, victim) for moment in step_moments(ended) for victim in VICTIMS]
        by_chance = [(moment, VICTIMS[n % 2]) for n, moment in enumerate(random_moments(rng, moments, longest_s))]
        for name, rounds in (("steps", steps), ("random", by_chance)):
            tally = Tally()
            in_parallel(place, rounds, partial(_one_kill, app, releases, tally))
            out[name] = vars(tally)
            report(f"kills in a folder: {name}", tally)
        return out


def _one_kill(
    app: Project, releases: list[Unsealed], tally: Tally, place: FolderPlace, one: tuple[Moment, Victim]
) -> None:
    kill_round(place, app, releases, one[0], one[1], tally)


def kills_over_ssh(rng: random.Random, moments: int) -> dict[str, Any]:
    """The same over SSH, on a gateway with a running service; every tenth release brings other wheels."""
    app = project()
    with Gateway() as gateway, Releases(app, gateway) as releases:
        releases.install()
        new = releases.make(wheels=True)
        ended, longest_s = timed(lambda: flash(app, new.path, *releases.place.words))
        assert ended.code == 0, ended
        releases.confirmed()

        def one(moment: Moment, victim: Victim, tally: Tally) -> None:
            releases.make(wheels=moment.step in ("site", "put") or rng.random() < 0.1)
            kill_round(releases.place, app, releases.known, moment, victim, tally)
            releases.confirmed()

        return _kills(one, step_moments(ended), rng, moments, longest_s)


def _kills(
    one: Callable[[Moment, Victim, Tally], None],
    steps: list[Moment],
    rng: random.Random,
    moments: int,
    longest_s: float,
) -> dict[str, Any]:
    """Go over all moments; a device that does not come back from a round ends the campaign, as a mistake."""
    at_steps, at_random = Tally(), Tally()
    try:
        for moment in steps:
            for victim in ALL_VICTIMS:
                one(moment, victim, at_steps)
        report("kills at steps", at_steps)
        for number, moment in enumerate(random_moments(rng, moments, longest_s)):
            one(moment, ALL_VICTIMS[number % 3], at_random)
            if number % 50 == 49:
                report("kills at random", at_random)
    except AssertionError as fault:
        at_random.mistakes.append(f"the campaign ended early: {str(fault)[:2000]}")
    return {"steps": vars(at_steps), "random": vars(at_random)}


def candidates(rng: random.Random, moments: int) -> dict[str, Any]:
    """Crash-looping, hanging, silent and memory-hungry versions, on both inits."""
    out: dict[str, Any] = {}
    inits: tuple[Init, ...] = ("plain", "systemd")
    for init in inits:
        tally = Tally()
        with Gateway(init) as gateway, Releases(project(), gateway) as releases:
            releases.install()
            for illness in EXPECTED:
                tally.rounds += 1
                try:
                    goes_back(releases, illness)
                    tally.kept_old += 1
                except AssertionError as fault:
                    tally.mistakes.append(f"{init}, {illness}: {str(fault)[:2000]}")
                    releases.install()
        out[init] = vars(tally)
        report(f"candidates: {init}", tally)
    return out


def dropped_connections(rng: random.Random, moments: int) -> dict[str, Any]:
    """SSH is cut after a random number of bytes; every tenth release brings other wheels."""
    app, tally = project(), Tally()
    with Gateway() as gateway, Wire(gateway) as wire, Releases(app, gateway, wire) as releases:
        releases.install()
        before = wire.passed
        releases.make()
        assert flash(app, releases.known[-1].path, *releases.place.words).code == 0
        usual = wire.passed - before
        releases.confirmed()
        for number in range(moments):
            wheels = rng.random() < 0.1
            releases.make(wheels=wheels)
            limit = rng.randrange(1, usual + (700_000 if wheels else 0))
            drop_round(releases.place, app, releases.known, wire, limit, tally)
            releases.confirmed()
            if number % 50 == 49:
                report("drops", tally)
    return {"random": vars(tally)}


CAMPAIGNS: dict[str, Callable[[random.Random, int], dict[str, Any]]] = {
    "candidates": candidates,
    "drops": dropped_connections,
    "faults": faults,
    "kill-dir": kills_in_a_folder,
    "kill-ssh": kills_over_ssh,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    parser.add_argument("--moments", type=int, default=500, metavar="N", help="random moments of each kind")
    parser.add_argument("--only", default=",".join(CAMPAIGNS), metavar="NAME,...", help=f"of {', '.join(CAMPAIGNS)}")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    begin_s, results = time.monotonic(), {}
    for name in args.only.split(","):
        results[name] = CAMPAIGNS[name](random.Random(f"{args.seed} {name}"), args.moments)
    line = json.dumps(
        {
            "seed": args.seed,
            "moments": args.moments,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - begin_s),
            "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
            "mistakes": sum(len(one["mistakes"]) for rows in results.values() for one in rows.values()),
            "campaigns": results,
        }
    )
    print(line)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(line + "\n")
    return int(json.loads(line)["mistakes"] > 0)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def report(what: str, tally: AnyTally) -> None:
    """Say how far it is; a mistake is not kept for the end."""
    say(f"{what}: {tally.rounds} rounds, {len(tally.mistakes)} mistakes")
    for mistake in tally.mistakes[:3]:
        say(f"    {mistake[:1500]}")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="edge-campaign-", dir=memory_disk()) as folder:
        yield Path(folder).resolve()


__all__ = ["CAMPAIGNS", "Project", "main"]

if __name__ == "__main__":
    sys.exit(main())

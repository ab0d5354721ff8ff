"""Whether this checkout is slower than another revision: both run the same models in turns, and only ratios count.

    python benchmarks/regression.py --against main~10 [--model FILE]... [--engine host,sandbox] [--json]

The other revision is checked out and built once under build/regression. Then, for each model and engine, PAIRS pairs
of fresh processes, as where a process's memory lies changes its speed too. The two of a pair take turns for --seconds;
a pair's ratio is the median over its turns. Exit code 1 where the median of the pairs is above --limit and no pair but
one is below 1. `--against HEAD` on a clean checkout shows the noise of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "../shared/models"
USUAL = ("kws_int8", "vww96_int8", "vww96_fp32", "mobilenet_v1_0.25_128_u8")
PAIRS = 5
SAMPLE_NS = 2_000_000
FEWEST_TURNS = 5


class Side:
    """A process of contestant.py."""

    def __init__(self, python: Path, model: Path, engine: str) -> None:
        command = [str(python), str(ROOT / "benchmarks/contestant.py"), str(model), engine]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.calls = 1
        self.sample_ns()
        while self.calls < 10_000 and self.sample_ns() * self.calls < SAMPLE_NS:
            self.calls *= 2

    def sample_ns(self) -> float:
        """Return the nanoseconds of a call."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("a contestant without pipes")
        print(self.calls, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit("error: a contestant ended; its message is above")
        return float(answer)

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def pair(pythons: tuple[Path, Path], model: Path, engine: str) -> Iterator[tuple[Side, Side]]:
    ours = Side(pythons[0], model, engine)
    theirs = Side(pythons[1], model, engine)
    theirs.calls = ours.calls
    try:
        yield ours, theirs
    finally:
        ours.close()
        theirs.close()


def ratio_of_pair(pythons: tuple[Path, Path], model: Path, engine: str, seconds: float) -> float:
    """Return how many times as long ours takes."""
    ratios: list[float] = []
    with pair(pythons, model, engine) as (ours, theirs):
        end = time.monotonic() + seconds
        while len(ratios) < FEWEST_TURNS or time.monotonic() < end:
            if len(ratios) % 2:
                other = theirs.sample_ns()
                ratios.append(ours.sample_ns() / other)
            else:
                ratios.append(ours.sample_ns() / theirs.sample_ns())
    return statistics.median(ratios)


def is_slower(ratios: list[float], limit: float) -> bool:
    """Return whether pairs of processes show a slowdown that noise does not explain."""
    return statistics.median(ratios) > limit and sorted(ratios)[1] > 1


def built(revision: str) -> Path:
    """Check another revision out and build it; return its interpreter."""
    show = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--short", f"{revision}^{{commit}}"]
    sha = subprocess.run(show, check=True, capture_output=True, text=True).stdout.strip()
    tree = ROOT / "build/regression" / sha
    if not tree.exists():
        subprocess.run(["git", "-C", str(ROOT), "worktree", "prune"], check=True)
        subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "--detach", str(tree), sha], check=True)
    subprocess.run(["make", "-C", str(tree), ".venv/demo-ready"], check=True, stdout=subprocess.DEVNULL)
    return tree / ".venv/bin/python"


def usual_models() -> list[Path]:
    """Return the demo's model and real ones, where there are any."""
    real = [MODELS / f"{name}.tflite" for name in USUAL]
    return [ROOT / "examples/demo/motor.tflite", *(path.resolve() for path in real if path.exists())]


def main() -> int:
    parser = argparse.ArgumentParser(description="Is this checkout slower than another revision?")
    parser.add_argument("--against", default="HEAD~1", help="a revision (default: HEAD~1)")
    parser.add_argument("--model", type=Path, action="append", help="a model file (default: a usual handful)")
    parser.add_argument("--engine", default="host,sandbox", help="host, sandbox or both (default)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each pair of processes (default: 1)")
    parser.add_argument("--limit", type=float, default=1.05, help="a ratio that is too much (default: 1.05)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    # Not resolved: a virtual environment's interpreter is a link.
    pythons = Path(os.path.abspath(sys.executable)), built(args.against)
    rows = []
    for model in args.model or usual_models():
        for engine in args.engine.split(","):
            ratios = [ratio_of_pair(pythons, model, engine, args.seconds) for _ in range(PAIRS)]
            row = {"model": model.stem, "engine": engine, "ratio": statistics.median(ratios), "ratios": sorted(ratios)}
            rows.append(row | {"slower": is_slower(ratios, args.limit)})
            if not args.json:
                spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
                note = "  SLOWER" if rows[-1]["slower"] else ""
                print(f"{model.stem:<36} {engine:<8} {row['ratio']:.2f}x  ({spread}){note}", flush=True)
    if args.json:
        print(json.dumps({"against": args.against, "limit": args.limit, "rows": rows}))
    return 1 if any(row["slower"] for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: `{' '.join(error.cmd)}` failed with exit code {error.returncode}")

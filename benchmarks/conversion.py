"""What it costs to convert a model: time, and memory above an interpreter that has only imported the converter.

    python benchmarks/conversion.py [--model mobilenet_v2_1.0_224_int8ptq.tflite] [--rounds 7] [--json]

Each round is a process of its own: a peak of memory never goes down again, and a first conversion is what users wait
for. Seconds are of the process's CPU and of the wall; medians. The file is read within the measurement.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from edge_sdk.compiler.convert import convert
from edge_sdk.compiler.ops import OPS
from edge_sdk.errors import EdgeError

MODEL = Path(__file__).parents[2] / "shared/models/mobilenet_v2_1.0_224_int8ptq.tflite"
TARGET_S, TARGET_SIZES = 1.0, 6.0


def peak_kib() -> int:
    """Return the most memory this process has had. Not ru_maxrss, which starts with the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def measure(model: Path) -> dict[str, float]:
    """Convert once and return what it took."""
    for op in OPS:
        OPS.load(op)
    before = peak_kib()
    wall, cpu = time.perf_counter(), time.process_time()
    data = model.read_bytes()
    module = convert(data, name=model.stem).module
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    above = (peak_kib() - before) * 1024
    return {"cpu_s": cpu, "wall_s": wall, "peak_bytes": above, "file_bytes": len(data), "module_bytes": len(module)}


def main() -> int:
    parser = argparse.ArgumentParser(description="What it costs to convert a model.")
    parser.add_argument("--model", type=Path, default=MODEL, help="a model file (default: MobileNetV2, int8)")
    parser.add_argument("--rounds", type=int, default=7, help="processes (default: 7)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.model)))
        return 0
    if not args.model.exists():
        print(f"{args.model} is absent: nothing to convert (--model FILE)", file=sys.stderr)
        return 0
    command = [sys.executable, __file__, "--one", "--model", str(args.model)]
    rounds = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(args.rounds)]
    answer = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    answer["peak_in_file_sizes"] = answer["peak_bytes"] / answer["file_bytes"]
    if args.json:
        print(json.dumps(answer))
    else:
        print("\n".join(f"{name:<40} {value:.4g}" for name, value in answer.items()))
        print(f"wanted for MobileNetV2 int8: wall_s <= {TARGET_S:g}, peak_in_file_sizes <= {TARGET_SIZES:g}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgeError as error:
        sys.exit(f"error: {error.message}")

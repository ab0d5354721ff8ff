"""What it costs to cross a border: Wasm to a host kernel, Python to a model.

    python benchmarks/call_overhead.py [--model hello_world_int8.tflite] [--seconds 3] [--json]

The kernel `empty` makes every check of add_s8's descriptor and does no work. It is called in a Wasm loop; the same loop
without the call is subtracted. Numbers are CPU time of one thread, medians over interleaved samples.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import edge_sdk
from edge_sdk.abi import ISAS, KERNEL_RESERVE, KERNELS, NAMESPACE
from edge_sdk.bench.inputs import random_inputs
from edge_sdk.bench.interleave import interleave
from edge_sdk.errors import EdgeError
from edge_sdk.runtime._wasmtime import wasmtime
from edge_sdk.runtime.cache import compiled
from edge_sdk.runtime.engine import epoch_ticks, host_spec
from edge_sdk.runtime.instance import Plan, open_instance
from edge_sdk.runtime.manifest import decode_manifest
from edge_sdk.runtime.module import ModelModule
from edge_sdk.runtime.native import Library
from edge_sdk.runtime.provider import native_status

MODEL = Path(__file__).parents[2] / "shared/models/hello_world_int8.tflite"
MEMORY_BYTES = 2 * 65536
DESCRIPTOR, TURNS, RESULT, DATA = (KERNEL_RESERVE + offset for offset in (0, 256, 260, 512))
CALLS = 100_000
COUNT = 16
TARGET_KERNEL_NS, TARGET_RUN_US = 25.0, 3.0


def loop_wat(body: str) -> str:
    """A module whose infer() does `body` as often as the i32 at TURNS says; RESULT gets the sum of the statuses."""
    descriptor = KERNELS["add_s8"].pack(
        a=DATA, b=DATA + 64, output=DATA + 128, count=COUNT, a_count=COUNT, b_count=COUNT,
        act_min=-128, act_max=127, begin=0, end=COUNT,
    )  # fmt: skip
    escaped = "".join(f"\\{byte:02x}" for byte in descriptor)
    return f"""(module
      (import "{NAMESPACE}" "empty" (func $empty (param i32) (result i32)))
      (memory (export "memory") {MEMORY_BYTES // 65536} {MEMORY_BYTES // 65536})
      (func (export "prepare") (result i32) (i32.const 0))
      (func (export "infer") (result i32) (local $turns i32) (local $sum i32)
        (local.set $turns (i32.load (i32.const {TURNS})))
        (loop $next
          (local.set $sum (i32.add (local.get $sum) {body}))
          (br_if $next (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
        (i32.store (i32.const {RESULT}) (local.get $sum))
        (i32.const 0))
      (data (i32.const {DESCRIPTOR}) "{escaped}"))"""


def open_loop(library: Library, body: str) -> Callable[[], None]:
    """Return a function that runs `body` CALLS times in Wasm."""
    row = {"dtype": "int32", "shape": [1]}
    values = {
        "abi": 1, "name": "loop", "source_sha256": "0" * 64, "form": "linked",
        "nodes": [], "memory_bytes": MEMORY_BYTES,
        "inputs": [{"name": "turns", "offset": TURNS, **row}], "outputs": [{"name": "sum", "offset": RESULT, **row}],
    }  # fmt: skip
    manifest = decode_manifest(json.dumps(values).encode(), MEMORY_BYTES)
    wasm = bytes(wasmtime.wat2wasm(loop_wat(body)))
    module = ModelModule(wasm, manifest, ("empty",), MEMORY_BYTES)
    spec = host_spec(MEMORY_BYTES)
    ticks = epoch_ticks(60.0)
    instance = open_instance(Plan(module, compiled(spec, wasm), spec, None, library, library.isa, 1 << 20), ticks)
    if instance.prepare(ticks):
        raise RuntimeError("prepare failed")
    turns, result = np.array([CALLS], np.int32), np.ones(1, np.int32)

    def run() -> None:
        failed = instance.run(ticks, [turns], [result])
        if failed:
            raise RuntimeError(instance.explain(failed).text)

    run()
    if result[0] != 0:
        raise RuntimeError(f"the statuses add up to {result[0]}, expected 0")
    return run


def python_events(call: Callable[[], Any]) -> int:
    """Return how many times the interpreter entered a function while `call` ran, the call itself not counted."""
    events = []
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        call()
    finally:
        sys.setprofile(None)
    return sum(event in ("call", "c_call") for event in events)


def measure_kernel_call(library: Library, seconds: float) -> dict[str, float]:
    """Return nanoseconds of one empty kernel call and of one turn of the loop alone."""
    calls = open_loop(library, f"(call $empty (i32.const {DESCRIPTOR}))")
    nothing = open_loop(library, f"(i32.and (i32.load (i32.const {DESCRIPTOR + 4})) (i32.const 0))")
    results = interleave({"calls": calls, "nothing": nothing}, seconds)
    loop_ns = results["nothing"].median_ns / CALLS
    return {
        "kernel_call_ns": round(results["calls"].median_ns / CALLS - loop_ns, 2),
        "loop_turn_ns": round(loop_ns, 2),
        "python_calls_in_100000_kernel_calls": python_events(calls) - python_events(nothing),
    }


def measure_run(model: Path, seconds: float) -> dict[str, float]:
    """Return microseconds of model.run from Python on each engine that works here."""
    usable = ["sandbox"] if native_status().reason else ["host", "sandbox"]
    models = {engine: edge_sdk.load(model, engine=engine) for engine in usable}
    inputs = random_inputs(next(iter(models.values())).inputs)
    results = interleave({name: partial(one.run, *inputs) for name, one in models.items()}, seconds)
    return {f"{model.stem}_{name}_us": round(samples.median_ns / 1000, 3) for name, samples in results.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description="What it costs to call a kernel from Wasm, and a model from Python.")
    parser.add_argument("--model", type=Path, default=MODEL, help="a tiny model (default: hello_world_int8)")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each of the two measurements")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    answer: dict[str, Any] = {}
    status = native_status()
    if status.library is None:
        print(f"no native library, no kernel call to measure: {status.reason}", file=sys.stderr)
    else:
        answer = {"isa": ISAS[status.library.isa], **measure_kernel_call(status.library, args.seconds)}
    if args.model.exists():
        answer |= measure_run(args.model, args.seconds)
    else:
        print(f"{args.model} is absent: model.run is not measured (--model FILE)", file=sys.stderr)
    if args.json:
        print(json.dumps(answer))
    else:
        print("\n".join(f"{name:<40} {value}" for name, value in answer.items()))
        print(f"wanted: kernel_call_ns <= {TARGET_KERNEL_NS:g}, hello_world on the host <= {TARGET_RUN_US:g} us")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgeError as error:
        sys.exit(f"error: {error.message}")

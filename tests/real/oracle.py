"""LiteRT's reference kernels as the oracle, in a process of its own: no other ML runtime is ever imported beside ours.

    python tests/real/oracle.py MODEL.tflite INPUTS.npz OUTPUTS.npz BUILTIN_REF

INPUTS holds arrays `<i>_<k>`: input k of call i. OUTPUTS gets `<i>_<k>` for every output k.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

SEED = 20261121


def seeded_inputs(specs: list[dict[str, object]], given: list[np.ndarray], count: int) -> list[list[np.ndarray]]:
    """Return `count` calls: the even ones uniform over the dtype, the odd ones shaped like the given input.

    "Shaped like": its values shuffled in blocks and shifted a little, so that activations stay in their usual range.
    """
    rng = np.random.default_rng(SEED)
    calls = []
    for index in range(count):
        call = []
        for example in given:
            if index % 2 == 0:
                call.append(_uniform(rng, example))
            else:
                call.append(_shaped(rng, example))
        calls.append(call)
    return calls


def _uniform(rng: np.random.Generator, example: np.ndarray) -> np.ndarray:
    if example.dtype.kind == "f":
        low, high = float(example.min()), float(example.max())
        return rng.uniform(low, high if high > low else low + 1, example.shape).astype(example.dtype)
    info = np.iinfo(example.dtype)
    return rng.integers(info.min, info.max + 1, example.shape).astype(example.dtype)


def _shaped(rng: np.random.Generator, example: np.ndarray) -> np.ndarray:
    moved = np.roll(example.reshape(-1), int(rng.integers(example.size))).reshape(example.shape)
    if example.dtype.kind == "f":
        spread = float(example.std()) or 1.0
        return (moved + rng.normal(0, 0.1 * spread, example.shape)).astype(example.dtype)
    info = np.iinfo(example.dtype)
    noisy = moved.astype(np.int64) + rng.integers(-8, 9, example.shape)
    return np.clip(noisy, info.min, info.max).astype(example.dtype)


def run_oracle(
    model: Path, calls: list[list[np.ndarray]], folder: Path, kernels: str = "BUILTIN_REF"
) -> list[list[np.ndarray]]:
    """Return the oracle's outputs for each call. The child process is the only place LiteRT is imported.

    kernels: name of an `OpResolverType`: BUILTIN_REF is the truth, AUTO is XNNPACK.
    """
    inputs, outputs = folder / "inputs.npz", folder / "outputs.npz"
    np.savez(inputs, **{f"{i}_{k}": x for i, call in enumerate(calls) for k, x in enumerate(call)})
    command = [sys.executable, __file__, str(model), str(inputs), str(outputs), kernels]
    subprocess.run(command, check=True, capture_output=True, timeout=1200)
    with np.load(outputs) as found:
        per_call = len(found.files) // len(calls)
        return [[found[f"{i}_{k}"] for k in range(per_call)] for i in range(len(calls))]


def main(model: str, inputs: str, outputs: str, kernels: str) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType[kernels]
    interpreter = Interpreter(model_path=model, num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    in_ids = [detail["index"] for detail in interpreter.get_input_details()]
    out_ids = [detail["index"] for detail in interpreter.get_output_details()]
    found = {}
    with np.load(inputs) as given:
        for i in range(len(given.files) // len(in_ids)):
            for k, tensor in enumerate(in_ids):
                interpreter.set_tensor(tensor, given[f"{i}_{k}"])
            interpreter.invoke()
            for k, tensor in enumerate(out_ids):
                found[f"{i}_{k}"] = interpreter.get_tensor(tensor)
    np.savez(outputs, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])

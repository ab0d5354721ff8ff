"""Child of test_damage.py: damaged copies of a module, one after another; says what became of each.

    python -m tests.hostile.flip_bits MODULE.wasm ENGINE SEED COUNT

Prints one JSON line: outcome -> how many. Anything but a result or an EdgeError ends it with a traceback.
"""

from __future__ import annotations

import collections
import json
import random
import sys
from pathlib import Path

import numpy as np

from edge_sdk.errors import EdgeError
from edge_sdk.runtime.session import open_session


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return a copy cut short, or with up to four bits flipped; every second time near the start or the end."""
    if rng.random() < 0.2:
        return data[: rng.randrange(len(data))]
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out))
        if rng.random() < 0.5:
            at = rng.randrange(min(600, len(out)))
            at = at if rng.random() < 0.5 else len(out) - 1 - at
        out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def outcome(data: bytes, engine: str) -> str:
    try:
        with open_session(data, engine=engine, deadline_s=0.5, memory_mib=64) as model:
            model.run(*(np.zeros(spec.shape, spec.dtype) for spec in model.inputs))
    except EdgeError as error:
        return type(error).__name__
    return "ran"


def main(path: str, engine: str, seed: str, count: str) -> None:
    original, rng = Path(path).read_bytes(), random.Random(int(seed))
    tally = collections.Counter(outcome(damaged(original, rng), engine) for _ in range(int(count)))
    print(json.dumps(tally))


if __name__ == "__main__":
    main(*sys.argv[1:])

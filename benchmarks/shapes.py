"""Is any shape slower on a fast instruction set than in plain loops? Random shapes of each kernel with packed weights.

    python benchmarks/shapes.py [--count 50] [--seed 1] [--seconds 0.05]

Each shape runs on all instruction sets of this CPU in turns. Exit code 1 when one of them takes longer than the
reference kernels, which do without tiles and vectors of their own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

import numpy as np

from edge_sdk import abi
from edge_sdk.runtime.provider import native_status
from kernels import Case, conv, dense, measure

#: What a shape may take longer by before it counts: short calls are mostly the call.
NOISE = 1.1
MOST_OPERATIONS = 4_000_000


def convolution(rng: np.random.Generator, dtype: str, *, depthwise: bool) -> Case:
    """Any small image, filter, stride and numbers of channels."""
    size, taps, stride = (int(rng.integers(1, top)) for top in (40, 6, 3))
    c, n = (int(2 ** rng.uniform(0, 7)) for _ in range(2))
    c = n if depthwise else c
    title = f"{size}x{size} {c}->{n} {taps}x{taps}/{stride}"
    return conv(title, dtype, size, c, n, taps, stride, depthwise=depthwise)


def product(rng: np.random.Generator, dtype: str) -> Case:
    """Any small dense layer."""
    k, n, batch = (int(2 ** rng.uniform(0, top)) for top in (11, 9, 4))
    return dense(f"{batch}x{k}->{n}", dtype, k, n, batch)


KINDS: dict[str, Callable[[np.random.Generator, str], Case]] = {
    "conv2d": partial(convolution, depthwise=False),
    "depthwise_conv2d": partial(convolution, depthwise=True),
    "fully_connected": product,
}


def small(make: Callable[[], Case]) -> Case:
    """Return the first case that does not take long."""
    while (case := make()).operations > MOST_OPERATIONS:
        pass
    return case


def main() -> int:
    parser = argparse.ArgumentParser(description="Random shapes on every instruction set against the plain loops.")
    parser.add_argument("--count", type=int, default=50, help="shapes of each kernel (default: 50)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.05, help="for each shape (default: 0.05)")
    args = parser.parse_args()
    library = native_status().library
    if library is None:
        print(f"no native library: {native_status().reason}", file=sys.stderr)
        return 13
    isas = [number for number in abi.ISAS if library.lib.edge_isa_usable(number)]
    slower = 0
    for kind, make in KINDS.items():
        for dtype in ("s8", "f32"):
            rng = np.random.default_rng(args.seed)
            gains: dict[str, list[float]] = {}
            for _ in range(args.count):
                case = small(partial(make, rng, dtype))
                results = measure(case, library, isas, args.seconds)
                for name, samples in results.items():
                    ratio = samples.ratio_to(results["ref"])
                    gains.setdefault(name, []).append(1 / ratio)
                    if ratio > NOISE:
                        slower += 1
                        print(f"SLOWER: {case.kernel} {case.title} on {name}: {ratio:.2f} of the plain loops' time")
            for name, found in gains.items():
                if name != "ref":
                    words = f"{min(found):.1f} to {max(found):.1f} times as fast, median {np.median(found):.1f}"
                    print(f"{kind + '_' + dtype:<22}{name:<14}{words}", flush=True)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())

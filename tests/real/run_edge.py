"""Our engine in a process of its own, where no other ML runtime can be imported.

    python tests/real/run_edge.py MODEL INPUTS.npz OUTPUTS.npz ENGINE [TREE]

TREE is a folder that holds another copy of the package `edge_sdk` (one without the native library, for example).
"""

from __future__ import annotations

import importlib.abc
import sys

import numpy as np

OTHER_RUNTIMES = ("ai_edge_litert", "tflite_runtime", "tensorflow", "onnxruntime", "torch", "jax")


class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name.split(".")[0] in OTHER_RUNTIMES:
            raise ImportError(f"{name} may not be imported here")


def use_tree(tree: str) -> None:
    """Import edge_sdk from `tree` only: drop the hooks of an editable install."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
    sys.path.insert(0, tree)


def main(model: str, inputs: str, outputs: str, engine: str, tree: str = "") -> None:
    sys.meta_path.insert(0, Refuse())
    if tree:
        use_tree(tree)
    import edge_sdk

    assert not tree or str(edge_sdk.__file__).startswith(tree), edge_sdk.__file__
    loaded = edge_sdk.load(model, engine=engine, memory_mib=512)
    found = {}
    with np.load(inputs) as given:
        for i in range(len(given.files) // len(loaded.inputs)):
            call = [given[f"{i}_{k}"] for k in range(len(loaded.inputs))]
            found.update({f"{i}_{k}": y for k, y in enumerate(loaded.run(*call))})
    np.savez(outputs, **found)
    print(loaded.engine)


if __name__ == "__main__":
    main(*sys.argv[1:])

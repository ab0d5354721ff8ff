"""edge-sdk: run trained models next to machines, in a sandbox, at native speed.

    model = edge_sdk.load("kws.tflite")
    (scores,) = model.run(x)

Importing the package is light: Wasmtime and numpy are loaded by the first `load`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_sdk.errors import EdgeError
    from edge_sdk.load import load
    from edge_sdk.tensor import TensorSpec

    __version__: str

__all__ = ["EdgeError", "TensorSpec", "__version__", "load"]

_HOMES = {"EdgeError": "edge_sdk.errors", "TensorSpec": "edge_sdk.tensor"}


def __getattr__(name: str) -> Any:
    if name == "load":
        # The submodule has the function's name; importing it would leave the module here.
        value = import_module("edge_sdk.load").load
    elif name == "__version__":
        value = _version()
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("edge-sdk")
    except PackageNotFoundError:
        return "0+unknown"


def __dir__() -> list[str]:
    return __all__

"""What can run a model: our own kernels, or another runtime in a child process. One table for every place that asks.

    auto, host, sandbox       our Wasm module; see runtime/provider
    litert, tflite_runtime    the .tflite file in its own runtime; see foreign/

Another runtime is taken only when it is named: "auto" never falls to one.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk.errors import UsageError
from edge_sdk.registry import nearest

#: What `auto` chooses from.
OWN = ("auto", "host", "sandbox")


@dataclass(frozen=True)
class ForeignEngine:
    """A runtime that is not ours. It crashes on hostile files, so it only ever runs in a process of its own.

    Attributes:
        name: what users write.
        module: has the class Interpreter; imported by the child only.
        distribution: the package that brings it, as its version is looked up.
        python_variable: environment variable with the interpreter of another environment for the child.
        install: the command that makes such an environment in the folder `$HOME/NAME`.
        extra: of edge-sdk, for the same environment.
        numpy_below: first major version of numpy it cannot work with; 0 for none.
    """

    name: str
    module: str
    distribution: str
    python_variable: str
    install: str
    extra: str
    numpy_below: int = 0

    @property
    def missing_hint(self) -> str:
        """The commands that bring it: into this environment, or into one of its own."""
        own = f"{self.install} && export {self.python_variable}=$HOME/{self.name}/bin/python"
        return f"pip install 'edge-sdk[{self.extra}]', or in an environment of its own: {own}"


FOREIGN = {
    "litert": ForeignEngine(
        name="litert",
        module="ai_edge_litert.interpreter",
        distribution="ai-edge-litert",
        python_variable="EDGE_LITERT_PYTHON",
        install="python3 -m venv $HOME/litert && $HOME/litert/bin/pip install 'ai-edge-litert>=2.3,<2.4'",
        extra="litert",
    ),
    # The last release has wheels for Python 3.9 to 3.11, and fails with numpy 2 as soon as a model is opened.
    "tflite_runtime": ForeignEngine(
        name="tflite_runtime",
        module="tflite_runtime.interpreter",
        distribution="tflite-runtime",
        python_variable="EDGE_TFLITE_RUNTIME_PYTHON",
        install=(
            "python3.11 -m venv $HOME/tflite_runtime && "
            "$HOME/tflite_runtime/bin/pip install tflite-runtime==2.14.0 'numpy<2'"
        ),
        extra="tflite",
        numpy_below=2,
    ),
}

ENGINES = (*OWN, *FOREIGN)

#: What a foreign engine computes with, besides the path of a vendor's library.
DELEGATES = {
    "xnnpack": "the runtime's own choice: XNNPACK where it can, built-in kernels elsewhere",
    "none": "built-in kernels only",
    "reference": "reference kernels: slow, and what `exact` is measured by",
}


#: Known to the design, not yet to the code.
_NOT_YET = ("onnxruntime",)


def check_engine_name(engine: str) -> None:
    """Raise UsageError unless this version has `engine`."""
    known = ", ".join(ENGINES)
    if engine in _NOT_YET:
        raise UsageError(f"engine {engine!r} is not in this version of edge-sdk", hint=f"use one of {known}")
    if engine not in ENGINES:
        raise UsageError(f"unknown engine {engine!r}{nearest(engine, [*ENGINES, *_NOT_YET])} (known: {known})")

"""The child process that compiles: Wasm on stdin, machine code into a file. Started by `cache`.

python -m edge_sdk.runtime.compile_module '{"reservation_bytes": 1048576, "safe_traps": false}' OUT.cwasm
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from edge_sdk.runtime._wasmtime import wasmtime
from edge_sdk.runtime.engine import EngineSpec, make_engine

#: Data a compilation may use; our largest models need less than a tenth. Beyond it the process aborts.
MEMORY_BYTES = 1 << 30
REFUSED = 3


def main(spec_json: str, output: str) -> int:
    """Compile stdin into `output`; return the exit code."""
    _limit(resource.RLIMIT_DATA, MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    engine = make_engine(EngineSpec(**json.loads(spec_json)))
    try:
        module = wasmtime.Module(engine, sys.stdin.buffer.read())
        Path(output).write_bytes(module.serialize())
    except wasmtime.WasmtimeError as error:
        print(error)
        return REFUSED
    except MemoryError:  # without an answer of ours the parent would compile it itself, and without a limit
        print(f"compiling it needs more than {MEMORY_BYTES >> 20} MiB")
        return REFUSED
    return 0


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:  # a service may be held lower, and no limit can be raised again
        value = min(value, hard)
    resource.setrlimit(what, (value, value))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

"""Which provider of kernels a model gets, and why.

auto      what `bench --save` chose for this module on this machine; else host where the native library proves
          itself, else sandbox, said loudly once
host      native kernels or a refusal
sandbox   Wasm kernels
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import lru_cache

from edge_sdk.abi import ISAS
from edge_sdk.engines import OWN, check_engine_name
from edge_sdk.errors import UnsupportedPlatformError, UsageError
from edge_sdk.runtime.cache import compiled
from edge_sdk.runtime.choice import recall
from edge_sdk.runtime.engine import host_spec, sandbox_spec
from edge_sdk.runtime.instance import Plan
from edge_sdk.runtime.module import ModelModule
from edge_sdk.runtime.native import Library, NativeUnavailableError, load_library
from edge_sdk.runtime.sandbox import kernels_for
from edge_sdk.runtime.self_test import prove

log = logging.getLogger("edge_sdk")
#: EDGE_POOL_MAX_THREADS of kernels/provider/pool.h.
MAX_THREADS = 64


@dataclass(frozen=True)
class EngineInfo:
    """What runs a model.

    Attributes:
        name: "host" or "sandbox".
        isa: the instruction set of the kernels, a name of kernels/abi/isa.def.
        reason: why this one.
        threads: how many threads compute, the caller's included; 1 in the sandbox.
    """

    name: str
    isa: str
    reason: str
    threads: int = 1

    def __str__(self) -> str:
        return f"{self.name} ({self.isa})"


@dataclass(frozen=True)
class NativeStatus:
    """What the native library is good for here.

    Attributes:
        library: proved by the self-test; None when it must not be used.
        reason: why host kernels cannot be used; empty when they can.
        self_test: "passed", or why not.
    """

    library: Library | None
    reason: str
    self_test: str


@lru_cache(maxsize=1)
def native_status() -> NativeStatus:
    """Load the native library and prove it, once in a process."""
    try:
        library = load_library()
        prove(library)
    except NativeUnavailableError as error:
        return NativeStatus(None, str(error), str(error))
    return NativeStatus(library, library.host_reason, "passed")


@lru_cache(maxsize=1)
def _warn_fallback(reason: str) -> None:
    log.warning(
        "edge-sdk runs models in the sandbox, several times slower than native kernels: %s. "
        "`edge-sdk doctor` says more; engine='sandbox' asks for this without the warning.",
        reason,
    )


def check_provider_name(engine: str) -> None:
    """Raise UsageError unless `engine` is one that runs modules."""
    check_engine_name(engine)
    if engine not in OWN:
        raise UsageError(
            f"engine {engine!r} runs .tflite files in a runtime of its own, not WebAssembly modules",
            hint=f"use one of {', '.join(OWN)}",
        )


def make_plan(
    module: ModelModule,
    engine: str,
    *,
    isa: str = "",
    threads: int = 1,
    memory_limit_bytes: int,
    safe_traps: bool,
) -> tuple[Plan, EngineInfo]:
    """Choose the provider for `module` and compile.

    Args:
        isa: of native kernels; default: the best of this CPU.

    Raises:
        UsageError: no such engine, or not with this module.
        UnsupportedPlatformError: engine "host" where it cannot run.
        ModelError: Wasmtime refuses the module.
    """
    check_provider_name(engine)
    standalone = module.manifest.form == "standalone"
    if standalone and engine == "host":
        raise UsageError(
            f"model {module.manifest.name!r} is standalone: it holds its own kernels and cannot use the host's",
            hint="convert it without --standalone",
        )
    status = native_status()
    if engine == "host" and status.reason:
        raise UnsupportedPlatformError(
            f"engine 'host' cannot run here: {status.reason}", hint="use engine='sandbox', or see `edge-sdk doctor`"
        )
    library = status.library
    choice = recall(module.sha256) if engine == "auto" and not standalone else None
    if choice is not None and choice.engine == "sandbox":
        return _sandbox_plan(module, "sandbox", standalone, status, safe_traps, choice.reason)
    if engine == "sandbox" or standalone or library is None or status.reason:
        return _sandbox_plan(module, engine, standalone, status, safe_traps)
    number, reason = library.isa, "native kernels work here: the self-test passed"
    if choice is not None and choice.isa in usable_isas(library):
        number, reason = _isa_number(library, choice.isa), choice.reason
    elif isa:
        number = _isa_number(library, isa)
    spec = host_spec(module.memory_bytes, safe_traps=safe_traps)
    limit = max(0, memory_limit_bytes - module.memory_bytes)
    threads = min(threads, MAX_THREADS, len(os.sched_getaffinity(0)))
    plan = Plan(module, compiled(spec, module.data), spec, None, library, number, limit, threads)
    return plan, EngineInfo("host", ISAS[number], reason, threads)


def usable_isas(library: Library) -> list[str]:
    """Return the names of the instruction sets for which there are fast kernels and which this CPU has, best last."""
    return [name for number, name in ISAS.items() if name != "ref" and library.lib.edge_isa_usable(number)]


def _isa_number(library: Library, isa: str) -> int:
    usable = usable_isas(library)
    if isa not in usable:
        raise UsageError(f"instruction set {isa!r} is not usable here (usable: {', '.join(usable)})")
    return next(number for number, name in ISAS.items() if name == isa)


def _sandbox_plan(
    module: ModelModule,
    engine: str,
    standalone: bool,
    status: NativeStatus,
    safe_traps: bool,
    reason: str = "asked for",
) -> tuple[Plan, EngineInfo]:
    # Without epochs the deadline is tested in the native library, between kernels.
    epochs = standalone or status.library is None or not module.is_straight_line
    spec = sandbox_spec(module.memory_bytes, safe_traps=safe_traps, epochs=epochs)
    kernels = None if standalone else kernels_for(spec)
    if standalone:
        reason = "the module is standalone: it holds its own kernels"
    elif engine != "sandbox":
        reason = status.reason
        _warn_fallback(reason)
    plan = Plan(module, compiled(spec, module.data), spec, kernels, status.library, -1, 0)
    return plan, EngineInfo("sandbox", kernels.isa if kernels else "wasm_simd128", reason)

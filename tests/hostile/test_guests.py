"""Guests that break the rules: each gets a clear error of ours, and the process goes on."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

import numpy as np
import pytest

from edge_sdk.abi import KERNEL_RESERVE, KERNELS, MAX_NODES
from edge_sdk.errors import DeadlineError, EdgeError, ModelError, SandboxError
from edge_sdk.runtime.session import open_session
from tests.hostile import guests
from tests.hostile.guests import (
    ADD,
    COUNT,
    DESCRIPTOR,
    MEMORY,
    OUTPUT,
    PAGES,
    PREPARE,
    A,
    adder,
    call,
    data,
    infer,
    module,
)
from tests.support import REPOSITORY

VECTOR = np.arange(COUNT, dtype=np.float32)
ENGINES = ("host", "sandbox")

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def run(wasm: bytes, engine: str, **options: float) -> np.ndarray:
    with open_session(wasm, engine=engine, **options) as model:
        (y,) = model.run(VECTOR, VECTOR)
    return y


def assert_still_works(engine: str) -> None:
    np.testing.assert_array_equal(run(adder(), engine), VECTOR + VECTOR)


def test_an_honest_guest_runs(engine: str) -> None:
    assert_still_works(engine)


def test_an_endless_loop_ends_at_the_deadline(engine: str) -> None:
    wasm = module(ADD, MEMORY, PREPARE, infer("(loop $l (br $l)) (i32.const 0)"))
    started = time.monotonic()
    with pytest.raises(DeadlineError, match=r"0\.1 s"):
        run(wasm, engine, deadline_s=0.1)
    assert time.monotonic() - started < 5.0
    assert_still_works(engine)


def test_many_kernel_calls_in_a_row_end_at_the_deadline(engine: str) -> None:
    body = f"(loop $l (drop (call $add (i32.const {DESCRIPTOR}))) (br $l)) (i32.const 0)"
    wasm = module(ADD, MEMORY, PREPARE, infer(body), data(DESCRIPTOR, guests.add_descriptor()))
    with pytest.raises(DeadlineError):
        run(wasm, engine, deadline_s=0.1)


def test_a_model_runs_again_after_a_deadline(engine: str) -> None:
    # Endless only while the first element of the input is 1.
    body = f"(if (f32.eq (f32.load (i32.const {A})) (f32.const 1)) (then (loop $l (br $l)))) {call('add', DESCRIPTOR)}"
    wasm = module(ADD, MEMORY, PREPARE, infer(body), data(DESCRIPTOR, guests.add_descriptor()))
    with open_session(wasm, engine=engine, deadline_s=0.05) as model:
        for _ in range(3):
            with pytest.raises(DeadlineError):
                model.run(VECTOR + 1, VECTOR)
            np.testing.assert_array_equal(model.run(VECTOR, VECTOR)[0], VECTOR * 2)


def test_deep_recursion_is_a_trap_of_few_words(engine: str) -> None:
    wasm = module(ADD, MEMORY, PREPARE, "(func $f (result i32) (call $f))", infer("(i32.add (call $f) (call $f))"))
    with pytest.raises(SandboxError, match="stack") as caught:
        run(wasm, engine)
    assert len(caught.value.message) < 600
    assert_still_works(engine)


def test_deep_recursion_in_a_thread_of_little_stack_is_a_trap(engine: str) -> None:
    code = f"""if True:
        import threading
        from edge_sdk.errors import SandboxError
        from tests.hostile.guests import ADD, MEMORY, PREPARE, infer, module
        from tests.hostile.test_guests import VECTOR, assert_still_works, run

        def work():
            try:
                run(module(ADD, MEMORY, PREPARE, "(func $f (result i32) (call $f))", infer("(call $f)")), {engine!r})
            except SandboxError as error:
                print(error.message)
            assert_still_works({engine!r})

        threading.stack_size(256 << 10)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert "stack overflow" in done.stdout, (done.returncode, done.stderr)


def test_an_access_outside_memory_is_a_trap(engine: str) -> None:
    wasm = module(ADD, MEMORY, PREPARE, infer("(i32.load (i32.const -16))"))
    with open_session(wasm, engine=engine) as model:
        for _ in range(3):
            with pytest.raises(SandboxError, match="memory out of bounds"):
                model.run(VECTOR, VECTOR)
    assert_still_works(engine)


def test_an_unreachable_in_prepare_is_a_trap(engine: str) -> None:
    wasm = module(ADD, MEMORY, '(func (export "prepare") (result i32) unreachable)', infer("(i32.const 0)"))
    with pytest.raises(SandboxError, match="unreachable"):
        open_session(wasm, engine=engine)


def test_four_gib_are_refused_before_anything_is_reserved(engine: str) -> None:
    wasm = module(ADD, '(memory (export "memory") 65536 65536)', PREPARE, infer("(i32.const 0)"))
    with pytest.raises(SandboxError, match=r"4096\.0 MiB.*limit is 256\.0 MiB"):
        open_session(wasm, engine=engine)


def test_memory_mib_is_the_limit(engine: str) -> None:
    with pytest.raises(SandboxError, match="memory"):
        open_session(adder(), engine=engine, memory_mib=0.1)


@pytest.mark.parametrize("size", [11_000, 400_000_000])
def test_a_huge_table_is_refused(engine: str, size: int) -> None:
    wasm = module(ADD, MEMORY, PREPARE, infer("(i32.const 0)"), f"(table {size} funcref)")
    with pytest.raises(SandboxError, match="table"):
        open_session(wasm, engine=engine)


def test_a_start_function_is_refused(engine: str) -> None:
    start = f"(func $start (drop (call $add (i32.const {DESCRIPTOR})))) (start $start)"
    with pytest.raises(SandboxError, match="start function"):
        open_session(module(ADD, MEMORY, PREPARE, infer("(i32.const 0)"), start), engine=engine)


@pytest.mark.parametrize(
    "foreign",
    [
        '(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))',
        '(import "env" "add_f32" (func (param i32) (result i32)))',
        '(import "edge_kernels" "empty" (func (param i32) (result i32)))',
        '(import "edge_kernels" "prepare_add_f32" (func (param i32) (result i32)))',
        '(import "edge_kernels" "table" (table 1 funcref))',
        '(import "edge_kernels" "add_f32" (global i32))',
    ],
)
def test_a_foreign_import_is_refused_by_name(engine: str, foreign: str) -> None:
    with pytest.raises(SandboxError, match="imports the"):
        open_session(module(foreign, MEMORY, PREPARE, infer("(i32.const 0)")), engine=engine)


def test_a_kernel_imported_with_another_type_is_refused(engine: str) -> None:
    wrong = '(import "edge_kernels" "add_f32" (func (param i64) (result i32)))'
    with pytest.raises(SandboxError, match=r"as \(i64\) -> \(i32\)"):
        open_session(module(wrong, MEMORY, PREPARE, infer("(i32.const 0)")), engine=engine)


@pytest.mark.parametrize(
    ("memory", "why"),
    [
        ('(memory (export "memory") 2 2 shared)', "shared"),
        ('(memory (export "memory") i64 2 2)', "64-bit"),
        ('(memory (export "memory") 2 2) (memory 1 1)', "2 memories"),
        ('(memory (export "memory") 2)', "may grow"),
        ('(memory (export "memory") 2 3)', "may grow"),
        ('(import "edge_kernels" "memory" (memory 2 2)) (export "memory" (memory 0))', "imports the memory"),
    ],
)
def test_an_odd_memory_is_refused(engine: str, memory: str, why: str) -> None:
    with pytest.raises(SandboxError, match=why):
        open_session(module(memory, PREPARE, infer("(i32.const 0)")), engine=engine)


@pytest.mark.parametrize("name", ["prepare", "infer"])
@pytest.mark.parametrize("found", ["(param i32) (result i32) (i32.const 0)", "(result i64) (i64.const 0)", ""])
def test_an_entry_of_another_type_is_refused(engine: str, name: str, found: str) -> None:
    entries = {"prepare": PREPARE, "infer": infer("(i32.const 0)")}
    entries[name] = f'(func (export "{name}") {found})'
    with pytest.raises(ModelError, match=name):
        open_session(module(MEMORY, *entries.values()), engine=engine)


# ---- descriptors ----


@pytest.mark.parametrize("at", [0xFFFFFFFC, 0xFFFFFFF0, 0, KERNEL_RESERVE - 4, PAGES * 65536 - 4, DESCRIPTOR + 1])
def test_a_descriptor_outside_memory_names_kernel_and_place(engine: str, at: int) -> None:
    wasm = module(ADD, MEMORY, PREPARE, infer(call("add", at)))
    with pytest.raises(SandboxError, match=rf"0x{at:08x}.*add_f32.*outside linear memory or misaligned"):
        run(wasm, engine)
    assert_still_works(engine)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": 2}, "version"),
        ({"version": 0}, "version"),
        ({"node": MAX_NODES}, "node"),
        ({"a": 0xFFFFFFF0}, "a"),
        ({"a": PAGES * 65536 - 4 * COUNT + 4}, "a"),
        ({"b": KERNEL_RESERVE - 4}, "b"),
        ({"b": A + 1}, "b"),
        ({"output": 0}, "output"),
        ({"output": A + 4}, "output"),
        ({"count": 1 << 30, "a_count": 1 << 30, "b_count": 1 << 30}, "a"),
        ({"count": 0xFFFFFFFF, "a_count": 0xFFFFFFFF, "b_count": 0xFFFFFFFF}, "a"),
        ({"begin": 5, "end": 5}, "begin"),
        ({"end": COUNT + 1}, "end"),
        ({"end": 0xFFFFFFFF}, "end"),
    ],
)
def test_a_lying_descriptor_names_node_kernel_and_field(engine: str, changes: dict[str, int], field: str) -> None:
    with pytest.raises(SandboxError) as caught:
        run(adder(**changes), engine)
    message = caught.value.message
    assert "node 0 'sum' (ADD)" in message
    assert "edge_kernels.add_f32" in message
    assert f"field `{field}`" in message
    assert caught.value.exit_code == 5


def conv_descriptor(node: int = 0, **changes: float) -> bytes:
    """A 1x1 float convolution, 4 -> 4 channels, one pixel; a packed kernel."""
    filter_at, packed, scratch = (KERNEL_RESERVE + offset for offset in (4096, 8192, 16384))
    fields: dict[str, float] = {
        "node": node, "input": A, "filter": filter_at, "output": OUTPUT, "packed": packed, "packed_bytes": 4096,
        "scratch": scratch, "scratch_bytes": 4096, "batch": 1, "input_h": 1, "input_w": 1, "input_c": 4,
        "output_h": 1, "output_w": 1, "output_c": 4, "filter_h": 1, "filter_w": 1, "stride_h": 1, "stride_w": 1,
        "dilation_h": 1, "dilation_w": 1, "act_min": -1e30, "act_max": 1e30, "begin": 0, "end": 1,
    }  # fmt: skip
    return KERNELS["conv2d_f32"].pack(**(fields | changes))


CONV = '(import "edge_kernels" "conv2d_f32" (func $conv (param i32) (result i32)))'
PREPARE_CONV = '(import "edge_kernels" "prepare_conv2d_f32" (func $prepare_conv (param i32) (result i32)))'


def prepare(body: str) -> str:
    return f'(func (export "prepare") (result i32) {body})'


def conv_module(prepare_body: str, infer_body: str, *segments: str) -> bytes:
    return module(CONV, PREPARE_CONV, MEMORY, prepare(prepare_body), infer(infer_body), *segments)


def test_a_prepared_kernel_runs(engine: str) -> None:
    wasm = conv_module(call("prepare_conv", DESCRIPTOR), call("conv", DESCRIPTOR), data(DESCRIPTOR, conv_descriptor()))
    assert not run(wasm, engine).any()  # the filter is all zeros


def test_a_kernel_never_prepared_harms_nobody(engine: str) -> None:
    wasm = conv_module("(i32.const 0)", call("conv", DESCRIPTOR), data(DESCRIPTOR, conv_descriptor()))
    if engine == "host":
        with pytest.raises(SandboxError, match="conv2d_f32: field `node`: the node was not prepared"):
            run(wasm, engine)
    else:  # its packed weights are the guest's own bytes: a wrong result of a wrong module, nothing else
        run(wasm, engine)
    assert_still_works(engine)


@pytest.mark.parametrize("changes", [{"node": 1}, {"output_c": 2}, {"input": A + 16}, {"output": OUTPUT + 64}])
def test_a_call_with_another_descriptor_than_prepared_is_refused_by_the_host(
    engine: str, changes: dict[str, int]
) -> None:
    other = DESCRIPTOR + 256
    wasm = conv_module(
        call("prepare_conv", DESCRIPTOR),
        call("conv", other),
        data(DESCRIPTOR, conv_descriptor()),
        data(other, conv_descriptor(**changes)),
    )
    if engine == "host":
        with pytest.raises(SandboxError, match="not prepared with this descriptor"):
            run(wasm, engine)
    else:
        run(wasm, engine)
    assert_still_works(engine)


def test_a_storm_of_prepares_stops_at_the_memory_limit(engine: str) -> None:
    # Each node takes packed weights of its own; the guest writes the node's number and prepares again.
    node_at = DESCRIPTOR + 4
    body = f"""(local $i i32)
      (loop $l (result i32)
        (i32.store (i32.const {node_at}) (local.get $i))
        (if (result i32) (call $prepare_conv (i32.const {DESCRIPTOR}))
          (then (i32.const 1))
          (else (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const {MAX_NODES}))) (i32.const 0))))"""
    wasm = conv_module(body, "(i32.const 0)", data(DESCRIPTOR, conv_descriptor()))
    if engine == "host":
        with pytest.raises(SandboxError, match="no memory left for packed weights"):
            open_session(wasm, engine=engine, memory_mib=0.25)
    else:
        open_session(wasm, engine=engine, memory_mib=0.25).close()
    assert_still_works(engine)


def test_preparing_one_node_for_ever_ends_at_the_deadline(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_sdk.runtime.session.PREPARE_S", 0.1)
    body = f"(loop $l (drop (call $prepare_conv (i32.const {DESCRIPTOR}))) (br $l)) (i32.const 0)"
    wasm = conv_module(body, "(i32.const 0)", data(DESCRIPTOR, conv_descriptor()))
    with pytest.raises(DeadlineError, match="prepare"):
        open_session(wasm, engine=engine, deadline_s=0.1)


def test_a_functions_name_can_neither_fill_the_error_nor_forge_it(engine: str) -> None:
    forged = "edge_kernels.fake: descriptor 0x00000000: " + "y" * 100_000
    for body in ("unreachable", call("add", 0)):
        wasm = module(ADD, MEMORY, PREPARE, f'(func $"{forged}" (export "infer") (result i32) {body})')
        with pytest.raises(SandboxError) as caught:
            run(wasm, engine)
        assert len(caught.value.message) < 600
        assert ("unreachable" in caught.value.message) or ("add_f32: field `version`" in caught.value.message)


def test_a_status_of_no_kernel_is_still_an_error(engine: str) -> None:
    with pytest.raises(SandboxError, match="0xffffffff"):
        run(module(MEMORY, PREPARE, infer("(i32.const -1)")), engine)


def test_writing_over_the_kernels_own_memory_harms_only_the_guest(engine: str) -> None:
    body = f"(memory.fill (i32.const 0) (i32.const 255) (i32.const {KERNEL_RESERVE})) {call('add', DESCRIPTOR)}"
    wasm = module(ADD, MEMORY, PREPARE, infer(body), data(DESCRIPTOR, guests.add_descriptor()))
    # A trap or the deadline is as good as a result.
    with open_session(wasm, engine=engine, deadline_s=0.5) as model, contextlib.suppress(EdgeError):
        model.run(VECTOR, VECTOR)
    assert_still_works(engine)


def test_two_sessions_do_not_share_prepared_nodes(engine: str) -> None:
    prepared = conv_module(
        call("prepare_conv", DESCRIPTOR), call("conv", DESCRIPTOR), data(DESCRIPTOR, conv_descriptor())
    )
    bare = conv_module("(i32.const 0)", call("conv", DESCRIPTOR), data(DESCRIPTOR, conv_descriptor()))
    with open_session(prepared, engine=engine) as one, open_session(bare, engine=engine) as two:
        one.run(VECTOR, VECTOR)
        if engine == "host":
            with pytest.raises(SandboxError, match="not prepared"):
                two.run(VECTOR, VECTOR)
        one.run(VECTOR, VECTOR)


def test_wasmtime_still_refuses_what_the_section_parser_steps_over(engine: str) -> None:
    wasm = adder()
    broken = wasm.replace(b"\x41\x80\x80\x04", b"\x42\x80\x80\x04", 1)  # i32.const 65536 -> i64.const in a body
    assert broken != wasm
    with pytest.raises(ModelError, match="refuses the module"):
        open_session(broken, engine=engine)

from __future__ import annotations

from importlib.resources import files
from itertools import pairwise

import pytest

from edge_sdk.runtime._wasmtime import wasmtime
from tests.conformance.wasm_code import float_instructions, instructions, with_trapping_floats

EVERY_SHAPE_OF_INSTRUCTION = """(module
  (memory 1) (table 1 funcref) (elem (i32.const 0) $f) (type $t (func (result i32)))
  (global $g (mut i32) (i32.const 0))
  (func $f (result i32) (i32.const -5000000))
  (func (export "all") (param i32) (result i32) (local i64 f32 f64 v128)
    (block (loop (br_if 1 (local.get 0)) (br_table 0 1 1 (i32.const 1))))
    (global.set $g (call_indirect (type $t) (i32.const 0)))
    (drop (i64.const -9000000000000000000)) (drop (f32.const 1.5)) (drop (f64.const 2.5))
    (drop (v128.const i32x4 1 2 3 4)) (drop (select (result i32) (i32.const 1) (i32.const 2) (local.get 0)))
    (i32.store offset=70000 align=1 (i32.const 0) (i32.load8_u (i32.const 1)))
    (v128.store32_lane 2 (i32.const 0) (v128.load (i32.const 16)))
    (drop (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (local.get 4) (local.get 4)))
    (drop (i32x4.extract_lane 3 (local.get 4)))
    (memory.copy (i32.const 0) (i32.const 8) (i32.const 8)) (memory.fill (i32.const 0) (i32.const 0) (i32.const 1))
    (drop (memory.grow (i32.const 0)))
    (if (result i32) (f32.lt (local.get 2) (f32.const 0)) (then (return (i32.const 1))) (else (call $f)))))"""
FLOATS = """(module (memory 1)
  (func (export "whole") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func (export "real") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 7))))
    (i32.trunc_f32_s (f32.mul (f32.convert_i32_s (local.get 0)) (f32.const 0.5))))
  (func (export "lanes") (param i32) (result i32)
    (i32x4.extract_lane 0 (i32x4.trunc_sat_f32x4_s (f32x4.add (f32x4.splat (f32.const 1)) (f32x4.splat (f32.const 2)))))
  ))"""


def exports(wasm: bytes) -> dict[str, object]:
    store = wasmtime.Store()
    found = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), []).exports(store)
    return {
        name: lambda x, function=function: function(store, x)
        for name, function in found.items()
        if isinstance(function, wasmtime.Func)
    }


def test_every_instruction_is_met_once_and_none_is_split() -> None:
    wasm = bytes(wasmtime.wat2wasm(EVERY_SHAPE_OF_INSTRUCTION))
    found = list(instructions(wasm))
    gaps = [b.start - a.end for a, b in pairwise(found)]
    assert sorted(gaps)[:-1] == [0] * (len(gaps) - 1)  # one gap: the head of the second function
    assert found[-1].opcode == 0x0B
    assert float_instructions(wasm) == {}


@pytest.mark.parametrize("name", ["kernels.wasm", "kernels-fma.wasm", "kernels-relaxed.wasm"])
def test_our_kernels_stay_valid_with_traps_in_them(name: str) -> None:
    wasm = (files("edge_sdk") / name).read_bytes()
    assert sum(float_instructions(wasm).values()) > 100
    trapping = with_trapping_floats(wasm)
    assert len(trapping) == len(wasm)
    assert float_instructions(trapping) == {}
    wasmtime.Module.validate(wasmtime.Engine(), trapping)


def test_only_the_float_instruction_traps_and_not_the_function_that_holds_it() -> None:
    wasm = bytes(wasmtime.wat2wasm(FLOATS))
    assert exports(wasm)["real"](5) == 2
    trapping = exports(with_trapping_floats(wasm))
    assert trapping["whole"](5) == 15
    assert trapping["real"](0) == 7
    for name in ("real", "lanes"):
        with pytest.raises(wasmtime.Trap, match="unreachable"):
            trapping[name](5)

"""Bad files for test_cli.py: arrays, models and guests, each damaged in one way."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import wasmtime

from tests.hostile.guests import (
    ADD,
    COUNT,
    DESCRIPTOR,
    MEMORY,
    OUTPUT,
    PREPARE,
    A,
    adder,
    call,
    infer,
    manifest,
    module,
)
from tests.support import REPOSITORY

MODEL = REPOSITORY / "examples" / "demo" / "motor.tflite"
FEATURES = 64
FLIPS = 5
ENDLESS = "(loop $l (br $l)) (i32.const 0)"


def npy(header: str, body: bytes = b"") -> bytes:
    """A .npy file of version 1.0 with this header."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def with_shape(shape: str, body: bytes = bytes(FEATURES)) -> bytes:
    return npy(f"{{'descr': '|i1', 'fortran_order': False, 'shape': {shape}}}", body)


def write_arrays(folder: Path) -> None:
    np.save(folder / "good.npy", np.zeros((1, FEATURES), np.int8))
    np.save(folder / "vector.npy", np.arange(COUNT, dtype=np.float32))
    np.save(folder / "nan.npy", np.full((1, FEATURES), np.nan, np.float32))
    np.save(folder / "flat.npy", np.zeros(FEATURES, np.int8))
    np.save(folder / "text.npy", np.array(["a"]))
    np.save(folder / "pickled.npy", np.array([{}], object), allow_pickle=True)
    good = (folder / "good.npy").read_bytes()
    bodies = {
        "cut": good[:-5],
        "cut-header": good[:20],
        "empty": b"",
        "garbage": bytes(range(256)),
        "huge-header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFFF) + bytes(100),
        "nested-header": npy("(" * 4000 + ")" * 4000),
        "huge-shape": with_shape("(9223372036854775807, 9223372036854775807)"),
        "huger-shape": with_shape("(" + "9223372036854775807, " * 40 + ")"),
        "huge-beside-zero": with_shape("(0, 9223372036854775807, 4)", b""),
        "many-dimensions": with_shape("(" + "1, " * 70 + ")"),
        "negative-shape": with_shape("(-1, -64)"),
        "truth-as-shape": with_shape("(True, 64)"),
        "inner-shape": npy("{'descr': ('<i1', (64,)), 'fortran_order': False, 'shape': (1,)}", bytes(FEATURES)),
    }
    for name, content in bodies.items():
        (folder / f"{name}.npy").write_bytes(content)


def write_models(folder: Path, linked: bytes) -> None:
    """Write motor.tflite, motor.wasm (`linked` is its conversion) and damaged copies."""
    source = MODEL.read_bytes()
    (folder / "motor.tflite").write_bytes(source)
    (folder / "motor.wasm").write_bytes(linked)
    for suffix, whole in (("tflite", source), ("wasm", linked)):
        (folder / f"cut.{suffix}").write_bytes(whole[: len(whole) // 2])
        (folder / f"empty.{suffix}").write_bytes(b"")
        (folder / f"text.{suffix}").write_bytes(b"hello\n")
        (folder / f"folder.{suffix}").mkdir()
        for number in range(FLIPS):
            (folder / f"flip{number}.{suffix}").write_bytes(flipped(whole, number))
    (folder / "motor.onnx").write_bytes(b"\x08\x01")
    (folder / "motor").write_bytes(source)
    (folder / "UPPER.WASM").write_bytes(linked)
    (folder / "bare.wasm").write_bytes(linked[:8])


def flipped(whole: bytes, seed: int) -> bytes:
    """Return a copy with one to three bits flipped; every second one in the first 600 bytes, where the structure is."""
    rng, out = random.Random(seed), bytearray(whole)
    for _ in range(1 + seed % 3):
        out[rng.randrange(600 if seed % 2 else len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def write_guests(folder: Path) -> None:
    honest = infer("(i32.const 0)")
    start = f"(func $start (drop (call $add (i32.const {DESCRIPTOR})))) (start $start)"
    wasi = '(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))'
    everything = 0xFFFFFFFF
    guests = {
        "honest": adder(),
        "loop": module(ADD, MEMORY, PREPARE, infer(ENDLESS)),
        "four-gib": module(ADD, '(memory (export "memory") 65536 65536)', PREPARE, honest),
        "start": module(ADD, MEMORY, PREPARE, honest, start),
        "outside": module(ADD, MEMORY, PREPARE, infer(call("add", 0xFFFFFFF0))),
        "overlap": adder(output=A + 4),
        "overflow": adder(count=everything, a_count=everything, b_count=everything),
        "version": adder(version=9),
        "trap": module(ADD, MEMORY, PREPARE, infer("unreachable")),
        "recursion": module(ADD, MEMORY, PREPARE, "(func $f (result i32) (call $f))", infer("(call $f)")),
        "foreign": module(wasi, MEMORY, PREPARE, honest),
        "no-manifest": bytes(wasmtime.wat2wasm(f"(module {MEMORY} {PREPARE} {honest})")),
        "bad-manifest": module(ADD, MEMORY, PREPARE, honest, manifest_=b"{"),
        "other-abi": module(ADD, MEMORY, PREPARE, honest, manifest_=manifest(abi=99)),
        "escape": module(ADD, MEMORY, PREPARE, infer("unreachable"), manifest_=manifest(name="\x1b[31mred\a")),
        "one-input-loop": _one_input(infer(ENDLESS)),
        "one-input-trap": _one_input(infer("unreachable")),
    }
    for name, content in guests.items():
        (folder / f"guest-{name}.wasm").write_bytes(content)


def _one_input(*fields: str) -> bytes:
    """A guest that a pipeline can use: 16 float numbers in, 16 out."""
    row = {"name": "x", "dtype": "float32", "shape": [COUNT], "scale": 0.0, "zero_point": 0}
    one = manifest(inputs=[row | {"offset": A}], outputs=[row | {"name": "y", "offset": OUTPUT}])
    return module(ADD, MEMORY, PREPARE, *fields, manifest_=one)

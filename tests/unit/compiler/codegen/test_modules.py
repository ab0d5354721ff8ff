"""Both forms of a module, run by a real engine with kernels that only note that they were called."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import wasmtime

from edge_sdk import abi
from edge_sdk.compiler.codegen import wasm
from edge_sdk.compiler.convert import Conversion, convert
from edge_sdk.errors import ModelError
from tests.unit.compiler.tflite_writer import TfliteWriter, small_int8_model

STATUS = 0x00010203


@dataclass
class Run:
    """A linked module, instantiated; `calls` notes (function, descriptor)."""

    conversion: Conversion
    fail_at: int = -1
    calls: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        engine = wasmtime.Engine()
        self.store = wasmtime.Store(engine)
        module = wasmtime.Module(engine, self.conversion.module)
        kernel_type = wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i32()])
        self.imports = [(entry.module, entry.name) for entry in module.imports]
        functions = [
            wasmtime.Func(self.store, kernel_type, lambda offset, name=name: self._note(name, offset))
            for _, name in self.imports
        ]
        self.exports = wasmtime.Instance(self.store, module, functions).exports(self.store)

    def _note(self, name: str, offset: int) -> int:
        self.calls.append((name, offset))
        return STATUS if len(self.calls) - 1 == self.fail_at else 0

    def __call__(self, name: str) -> int:
        status: int = self.exports[name](self.store)
        return status

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.exports["memory"].read(self.store, offset, offset + size))

    def write(self, offset: int, contents: bytes) -> None:
        self.exports["memory"].write(self.store, contents, offset)


def custom_sections(module: bytes) -> dict[str, bytes]:
    found = {}
    for number, contents in wasm.read_sections(module, "m"):
        if number == wasm.CUSTOM:
            reader = wasm.Reader(contents, "m")
            title = reader.name()
            found[title] = reader.rest()
    return found


def test_a_run_calls_every_kernel_in_order_with_its_descriptor() -> None:
    conversion = convert(small_int8_model(), name="small")
    run = Run(conversion)
    assert run("infer") == 0
    expected = [(node["kernel"], offset) for node in conversion.manifest["nodes"] for offset in node["descriptors"]]
    assert run.calls == expected
    assert len(expected) == 6


def test_prepare_calls_only_packed_kernels() -> None:
    conversion = convert(small_int8_model(), name="small")
    run = Run(conversion)
    assert run("prepare") == 0
    packed = [node for node in conversion.manifest["nodes"] if abi.KERNELS[node["kernel"]].packed]
    assert run.calls == [(f"prepare_{node['kernel']}", node["descriptors"][0]) for node in packed]
    assert len(packed) == 3


@pytest.mark.parametrize("fail_at", range(6))
def test_the_first_bad_status_ends_the_run_and_is_returned(fail_at: int) -> None:
    run = Run(convert(small_int8_model(), name="small"), fail_at)
    assert run("infer") == STATUS
    assert len(run.calls) == fail_at + 1


def test_the_module_imports_only_kernels_and_exports_three_things() -> None:
    run = Run(convert(small_int8_model(), name="small"))
    assert {module for module, _ in run.imports} == {abi.NAMESPACE}
    known = set(abi.KERNELS) | {f"prepare_{name}" for name in abi.KERNELS}
    assert {name for _, name in run.imports} <= known
    assert set(run.exports) == {"memory", "prepare", "infer"}
    pages = run.exports["memory"].size(run.store)
    assert run.exports["memory"].type(run.store).limits == wasmtime.Limits(pages, pages)
    assert pages * abi.WASM_PAGE_BYTES == run.conversion.manifest["memory_bytes"]


def test_the_manifest_is_in_the_module() -> None:
    conversion = convert(small_int8_model(), name="small")
    sections = custom_sections(conversion.module)
    assert json.loads(sections[abi.MANIFEST_SECTION]) == conversion.manifest
    assert b"infer" in sections["name"]


def test_each_call_stands_in_a_loop_of_its_own() -> None:
    conversion = convert(small_int8_model(), name="small")
    code = dict(wasm.read_sections(conversion.module, "m"))[wasm.CODE]
    calls = sum(len(node["descriptors"]) for node in conversion.manifest["nodes"]) + 3
    assert code.count(b"\x03\x40\x41") == calls


def test_an_endless_run_of_calls_is_interrupted_between_two_kernels() -> None:
    config = wasmtime.Config()
    config.epoch_interruption = True
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    store.set_epoch_deadline(1)
    module = wasmtime.Module(engine, convert(small_int8_model(), name="small").module)
    calls = []

    def kernel(offset: int) -> int:
        calls.append(offset)
        engine.increment_epoch()
        return 0

    kernel_type = wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i32()])
    functions = [wasmtime.Func(store, kernel_type, kernel) for _ in module.imports]
    instance = wasmtime.Instance(store, module, functions)
    with pytest.raises(wasmtime.Trap, match="interrupt"):
        instance.exports(store)["infer"](store)
    assert len(calls) == 1


def test_the_image_is_in_memory() -> None:
    conversion = convert(small_int8_model(), name="small")
    run = Run(conversion)
    node = conversion.manifest["nodes"][0]
    kernel = abi.KERNELS[node["kernel"]]
    fields = kernel.unpack(run.read(node["descriptors"][0], kernel.descriptor_bytes))
    assert (fields["input_h"], fields["output_c"]) == (8, 8)
    assert fields["input"] == conversion.manifest["inputs"][0]["offset"]


def test_outputs_that_are_inputs_constants_or_doubles_are_copied() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (2, 2), "float32")
    view = writer.tensor("view", (4,), "float32")
    y = writer.tensor("y", (2, 2), "float32")
    constant = writer.constant("c", np.array([7, 8], np.float32))
    writer.operator("RESHAPE", [x], [view])
    writer.operator("RELU", [x], [y])
    conversion = convert(writer.finish([x], [x, view, y, y, constant]), name="m")
    run = Run(conversion)
    (source,) = conversion.manifest["inputs"]
    outputs = conversion.manifest["outputs"]
    ranges = sorted((row["offset"], row["offset"] + 4 * int(np.prod(row["shape"]))) for row in [source, *outputs])
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ranges))
    contents = np.array([1, -2, 3, -4], "<f4").tobytes()
    run.write(source["offset"], contents)
    run.write(outputs[2]["offset"], b"result of relu..")
    assert run("infer") == 0
    assert run.read(outputs[0]["offset"], 16) == contents
    assert run.read(outputs[1]["offset"], 16) == contents
    assert run.read(outputs[3]["offset"], 16) == b"result of relu.."
    assert run.read(outputs[4]["offset"], 8) == np.array([7, 8], "<f4").tobytes()


def test_a_node_with_much_work_is_called_in_slices_that_share_its_number() -> None:
    writer = TfliteWriter()
    x, y = (writer.tensor(name, (1, 700_000), "float32") for name in "xy")
    writer.operator("RELU", [x], [y])
    conversion = convert(writer.finish([x], [y]), name="m")
    run = Run(conversion)
    kernel = abi.KERNELS["clamp_f32"]
    (node,) = conversion.manifest["nodes"]
    parts = [kernel.unpack(run.read(offset, kernel.descriptor_bytes)) for offset in node["descriptors"]]
    assert len(parts) == 3
    assert [part["begin"] for part in parts[1:]] == [part["end"] for part in parts[:-1]]
    assert parts[-1]["end"] == 700_000
    assert {tuple(v for k, v in part.items() if k not in ("begin", "end")) for part in parts} == {
        tuple(v for k, v in parts[0].items() if k not in ("begin", "end"))
    }


# Standalone ---------------------------------------------------------------------------------------------------------


def fake_kernels(
    *, extra_imports: tuple[bytes, ...] = (), before_code: bytes = b"", types: int = 1, **drop: Any
) -> bytes:
    """Return a kernels.wasm in which every kernel stores its descriptor's offset at 32768 and returns 0."""
    names = [*abi.KERNELS, *(f"prepare_{name}" for name, kernel in abi.KERNELS.items() if kernel.packed)]
    body = b"\x00\x41\x80\x80\x02\x20\x00\x36\x02\x00\x41\x00\x0b"  # i32.store(32768, local 0); 0
    body = wasm.uleb(len(body)) + body
    memory = wasm.name("env") + wasm.name("memory") + b"\x02\x00\x01"
    exports = [wasm.export(name, wasm.KIND_FUNCTION, index) for index, name in enumerate(names)]
    exports.append(wasm.export("__stack_pointer", wasm.KIND_GLOBAL, 0))
    return b"".join(
        [
            wasm.MAGIC,
            wasm.custom_section("producers", b"old"),
            wasm.section(wasm.TYPE, wasm.vector([wasm.TYPE_KERNEL] * types)),
            wasm.section(wasm.IMPORT, wasm.vector([memory, *extra_imports])),
            wasm.section(wasm.FUNCTION, wasm.vector([b"\0"] * len(names))),
            wasm.section(wasm.GLOBAL, wasm.vector([b"\x7f\x01\x41\x80\x80\x02\x0b"])),
            wasm.section(wasm.EXPORT, wasm.vector(exports)),
            before_code,
            wasm.section(wasm.CODE, wasm.vector([body] * len(names))),
            b"" if drop.get("no_data") else wasm.section(wasm.DATA, wasm.vector([wasm.data_segment(40000, b"rodata")])),
        ]
    )


def standalone(kernels: bytes) -> Conversion:
    return convert(small_int8_model(), name="small", standalone=True, kernels=kernels)


TABLE = wasm.section(wasm.TABLE, wasm.vector([b"\x70\x00\x01"]))
DATA_COUNT = wasm.section(wasm.DATA_COUNT, b"\x01")


@pytest.mark.parametrize(
    "kernels",
    [fake_kernels(), fake_kernels(before_code=DATA_COUNT), fake_kernels(no_data=True), fake_kernels(types=5)],
    ids=["plain", "data count", "no data", "more types"],
)
def test_a_standalone_module_has_no_imports_and_runs(kernels: bytes) -> None:
    conversion = standalone(kernels)
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    module = wasmtime.Module(engine, conversion.module)
    assert list(module.imports) == []
    assert {entry.name for entry in module.exports} == {"memory", "prepare", "infer"}
    exports = wasmtime.Instance(store, module, []).exports(store)
    assert exports["prepare"](store) == 0
    assert exports["infer"](store) == 0
    noted = int.from_bytes(exports["memory"].read(store, 32768, 32772), "little")
    assert noted == conversion.manifest["nodes"][-1]["descriptors"][-1]
    sections = custom_sections(conversion.module)
    assert "producers" not in sections
    assert json.loads(sections[abi.MANIFEST_SECTION])["form"] == "standalone"


def test_the_kernels_own_data_stays() -> None:
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    instance = wasmtime.Instance(store, wasmtime.Module(engine, standalone(fake_kernels()).module), [])
    assert bytes(instance.exports(store)["memory"].read(store, 40000, 40006)) == b"rodata"


FUNCTION_IMPORT = wasm.name("env") + wasm.name("f") + b"\x00\x00"


@pytest.mark.parametrize(
    ("kernels", "why"),
    [
        (fake_kernels(extra_imports=(FUNCTION_IMPORT,)), "imports env.f"),
        (fake_kernels(before_code=wasm.section(wasm.START, b"\0")), "start function"),
        (fake_kernels(before_code=wasm.section(wasm.MEMORY, b"\1\0\1")), "memory of its own"),
        (fake_kernels(before_code=wasm.section(77, b"")), "section 77"),
        (wasm.MAGIC, "imports 0 memories"),
        (b"", "no WebAssembly module"),
        (fake_kernels()[:-3], "too early"),
        (fake_kernels().replace(b"softmax_s8", b"softmax_xx"), "no function softmax_s8"),
    ],
)
def test_kernels_of_another_shape_are_refused(kernels: bytes, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        standalone(kernels)

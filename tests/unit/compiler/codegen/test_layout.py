from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge_sdk import abi
from edge_sdk.compiler.codegen.layout import Layout, lay_out
from edge_sdk.compiler.graph import Graph, Value
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.ops.op import KernelCall
from edge_sdk.compiler.passes import run_passes
from edge_sdk.compiler.passes.lower import lower
from edge_sdk.compiler.passes.memory_plan import plan_memory
from edge_sdk.errors import ModelError
from tests.unit.compiler.tflite_writer import small_int8_model


def laid_out() -> tuple[Graph, list[KernelCall], Layout]:
    graph = import_model(small_int8_model(), "small")
    run_passes(graph)
    calls = lower(graph)
    return graph, calls, lay_out(graph, calls, plan_memory(graph, calls))


def descriptor(layout: Layout, index: int, part: int = 0) -> dict[str, float]:
    placed = layout.calls[index]
    at = placed.descriptors[part] - abi.KERNEL_RESERVE
    return placed.kernel.unpack(bytes(layout.image[at : at + placed.kernel.descriptor_bytes]))


def test_regions_follow_each_other_above_the_kernels_reserve() -> None:
    _, _, layout = laid_out()
    assert [*layout.regions] == [
        "descriptors",
        "weights",
        "states",
        "widened",
        "packed",
        "arena",
        "inputs",
        "outputs",
    ]
    end = abi.KERNEL_RESERVE
    for offset, size in layout.regions.values():
        assert offset >= end
        end = offset + size
    assert layout.memory_bytes >= end
    assert layout.memory_bytes % abi.WASM_PAGE_BYTES == 0


def test_every_offset_of_a_descriptor_lies_in_its_region() -> None:
    _, _, layout = laid_out()
    tensors = ("arena", "inputs", "outputs")
    homes = {"input": tensors, "a": tensors, "b": tensors, "output": tensors} | dict.fromkeys(
        ("filter", "bias", "multiplier", "shift", "scale"), ("weights",)
    )
    homes |= dict.fromkeys(("packed", "scratch"), ("packed",))
    checked = 0
    for index, placed in enumerate(layout.calls):
        fields = descriptor(layout, index)
        for name in homes.keys() & fields.keys():
            if placed.kernel.family == "softmax" and name in ("multiplier", "shift"):
                continue
            if placed.kernel.family in ("add", "mean") and name in ("multiplier", "shift"):
                continue
            regions = [layout.regions[home] for home in homes[name]]
            assert any(begin <= fields[name] < begin + size for begin, size in regions), (placed.call.kernel, name)
            checked += 1
    assert checked > 20


def test_descriptors_carry_version_node_and_rows() -> None:
    _, _, layout = laid_out()
    for node, placed in enumerate(layout.calls):
        fields = descriptor(layout, node)
        assert fields["version"] == abi.ABI_VERSION
        assert fields["node"] == node
        assert (fields["begin"], fields["end"]) == (0, abi.rows(placed.kernel, fields))


def test_packed_regions_do_not_overlap_and_have_the_size_the_kernels_ask_for() -> None:
    _, _, layout = laid_out()
    regions = []
    for index, placed in enumerate(layout.calls):
        fields = descriptor(layout, index)
        if placed.kernel.packed:
            assert fields["packed_bytes"] == abi.packed_bytes(placed.kernel, fields)
            assert fields["packed"] % abi.REGION_ALIGN == 0
            assert fields["scratch"] % abi.REGION_ALIGN == 0
            regions.append((fields["packed"], fields["packed"] + fields["packed_bytes"]))
            regions.append((fields["scratch"], fields["scratch"] + fields["scratch_bytes"]))
    packed = sorted(set(regions[::2]))
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(packed))
    assert max(end for _, end in packed) <= min(begin for begin, _ in regions[1::2])


def test_equal_constants_are_stored_once() -> None:
    graph, calls, layout = laid_out()
    twin = KernelCall(**{**calls[0].__dict__, "constants": {k: v.copy() for k, v in calls[0].constants.items()}})
    twice = [calls[0], twin, *calls[1:]]
    doubled = lay_out(graph, twice, plan_memory(graph, twice))
    assert doubled.regions["weights"][1] == layout.regions["weights"][1]
    first, second = descriptor(doubled, 0), descriptor(doubled, 1)
    assert first["filter"] == second["filter"]
    assert first["packed"] != second["packed"]


def test_weights_are_found_where_the_descriptor_says() -> None:
    _, calls, layout = laid_out()
    at = int(descriptor(layout, 0)["filter"]) - abi.KERNEL_RESERVE
    expected = calls[0].constants["filter"]
    stored = np.frombuffer(bytes(layout.image[at : at + expected.nbytes]), np.int8).reshape(expected.shape)
    np.testing.assert_array_equal(stored, expected)


def test_more_memory_than_wasm_has_is_refused_before_it_is_used() -> None:
    graph, calls, _ = laid_out()
    big = [
        KernelCall(**{**calls[4].__dict__, "numbers": {**calls[4].numbers, "input_c": 1 << 20, "output_c": 1 << 14}})
    ]
    with pytest.raises(ModelError, match="memory"):
        lay_out(graph, big, plan_memory(graph, big))


def test_states_begin_with_their_contents_and_belong_to_no_constant() -> None:
    graph, calls, _ = laid_out()
    state = Value("state", "int16", (3,))
    graph.states = {state: np.array([1, 2, 3], np.int16)}
    layout = lay_out(graph, calls, plan_memory(graph, calls))
    offset, size = layout.regions["states"]
    assert size == 6
    assert bytes(layout.image[offset - abi.KERNEL_RESERVE :]) == graph.states[state].tobytes()
    assert offset >= sum(layout.regions["weights"])

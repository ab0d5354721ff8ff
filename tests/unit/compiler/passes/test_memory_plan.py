from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.compiler.graph import Graph, Value
from edge_sdk.compiler.ops.op import KernelCall
from edge_sdk.compiler.passes.memory_plan import ALIGN, plan_memory


def call(name: str, reads: list[Value], write: Value, *, in_place: bool = False) -> KernelCall:
    fields = {f"i{index}": value for index, value in enumerate(reads)}
    return KernelCall(name, "op", "k", {}, fields, {"output": write}, in_place=tuple(fields) if in_place else ())


@st.composite
def programs(draw: st.DrawFn) -> tuple[Graph, list[KernelCall]]:
    """Any program: each call reads some earlier tensors; some tensors are views, some are outputs of the model."""
    values = [Value("input", "int8", (draw(st.integers(1, 300)),))]
    calls = []
    for index in range(draw(st.integers(1, 20))):
        reads = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
        size = draw(st.one_of(st.integers(1, 300), st.just(reads[0].elements)))
        write = Value(f"v{index}", "int8", (size,))
        calls.append(call(f"c{index}", reads, write, in_place=draw(st.booleans())))
        values.append(write)
        if draw(st.booleans()):
            values.append(Value(f"v{index} view", "int8", (1, size), alias_of=write))
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    return Graph("g", values[:1], outputs, calls and []), calls


@given(programs())
def test_bytes_that_will_be_read_again_are_never_overwritten(program: tuple[Graph, list[KernelCall]]) -> None:
    graph, calls = program
    plan = plan_memory(graph, calls)
    owner: dict[int, Value] = {}
    fixed = {value.storage for value in graph.inputs + graph.outputs}
    for kernel_call in calls:
        for value in kernel_call.reads.values():
            storage = value.storage
            if storage not in fixed:
                begin = plan.offset(value)
                assert all(owner[byte] is storage for byte in range(begin, begin + storage.size_bytes))
        (output,) = kernel_call.writes.values()
        if output.storage in fixed:
            continue
        begin, end = plan.offset(output), plan.offset(output) + output.size_bytes
        assert begin % ALIGN == 0
        assert end <= plan.arena_bytes
        for value in kernel_call.reads.values():
            if value.storage in fixed:
                continue
            other = plan.offset(value), plan.offset(value) + value.storage.size_bytes
            overlap = begin < other[1] and other[0] < end
            assert not overlap or (kernel_call.in_place and other == (begin, end))
        owner |= dict.fromkeys(range(begin, end), output.storage)


def chain(count: int, *, in_place: bool) -> tuple[Graph, list[KernelCall]]:
    values = [Value(f"v{index}", "int8", (1000,)) for index in range(count + 1)]
    calls = [call(f"c{index}", [values[index]], values[index + 1], in_place=in_place) for index in range(count)]
    return Graph("g", values[:1], values[-1:]), calls


def test_a_chain_needs_two_tensors() -> None:
    assert plan_memory(*chain(10, in_place=False)).arena_bytes == 2048 - 2048 % ALIGN


def test_a_chain_in_place_needs_one_tensor() -> None:
    assert plan_memory(*chain(10, in_place=True)).arena_bytes == 1024


def test_inputs_and_outputs_of_the_model_are_not_planned() -> None:
    graph, calls = chain(1, in_place=True)
    plan = plan_memory(graph, calls)
    assert plan.slots == {}
    assert plan.arena_bytes == 0


def test_an_input_that_is_read_later_is_not_overwritten_in_place() -> None:
    a, b, c, d = (Value(name, "int8", (64,)) for name in "abcd")
    x, y = Value("x", "int8", (64,)), Value("y", "int8", (64,))
    calls = [
        call("a", [x], a),
        call("b", [a], b, in_place=True),
        call("c", [a], c, in_place=True),
        call("d", [b, c], d, in_place=True),
        call("y", [d], y),
    ]
    plan = plan_memory(Graph("g", [x], [y]), calls)
    assert plan.offset(a) != plan.offset(b)
    assert plan.offset(a) == plan.offset(c)
    assert plan.offset(d) in (plan.offset(b), plan.offset(c))


def test_a_value_written_in_parts_lives_from_the_first_part_on() -> None:
    x, joined, other, y = (Value(name, "int8", (64,)) for name in ("x", "joined", "other", "y"))
    calls = [call("left", [x], joined), call("between", [x], other), call("right", [other], joined, in_place=True)]
    calls.append(call("last", [joined], y))
    plan = plan_memory(Graph("g", [x], [y]), calls)
    assert (plan.slots[joined].first, plan.slots[joined].last) == (0, 3)
    assert plan.offset(joined) != plan.offset(other)


def test_states_have_a_place_of_their_own() -> None:
    x, state, y = (Value(name, "int8", (64,)) for name in ("x", "state", "y"))
    graph = Graph("g", [x], [y], states={state: np.zeros(64, np.int8)})
    plan = plan_memory(graph, [call("read", [state, x], y), call("write", [y], state)])
    assert state not in plan.slots

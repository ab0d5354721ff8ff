from __future__ import annotations

import numpy as np

from edge_sdk.compiler.graph import Graph, Node, Quantization, Value


def test_storage_is_the_end_of_a_chain_of_aliases() -> None:
    owner = Value("a", "int8", (2, 3))
    view = Value("b", "int8", (6,), alias_of=owner)
    view_of_view = Value("c", "int8", (3, 2), alias_of=view)
    assert view_of_view.storage is owner
    assert owner.storage is owner


def test_use_counts_include_the_outputs_of_the_graph() -> None:
    x, y = Value("x", "float32", (1,)), Value("y", "float32", (1,))
    node = Node("add", "y", [x, x], [y])
    counts = Graph("g", [x], [y, y], [node]).use_counts()
    assert counts[x] == 2
    assert counts[y] == 2


def test_size_counts_bytes_of_the_dtype() -> None:
    assert Value("x", "float32", (2, 3)).size_bytes == 24
    assert Value("x", "int8", ()).size_bytes == 1


def test_values_of_equal_contents_stay_apart() -> None:
    assert Value("x", "int8", (1,)) != Value("x", "int8", (1,))
    q = Quantization(np.array([0.5], np.float32), np.array([3]))
    assert (q.scale, q.zero_point, q.is_per_tensor) == (0.5, 3, True)


def test_a_copy_has_values_of_its_own_and_the_same_contents() -> None:
    x, state, y = Value("x", "int8", (2,)), Value("s", "int8", (2,)), Value("y", "int8", (2,))
    weights = Value("w", "int8", (2,), data=np.ones(2, np.int8))
    node = Node("add", "n", [x, weights, None], [y])
    graph = Graph("g", [x], [y, x], [node, Node("add", "m", [y, state], [state])], {state: np.zeros(2, np.int8)})
    made, where = graph.copy()
    assert made.nodes[0].inputs == [where[x], where[weights], None]
    assert made.outputs == [where[y], made.inputs[0]]
    assert list(made.states) == [made.nodes[1].output]
    assert where[weights].data is weights.data
    made.nodes[0].inputs[0] = None
    where[y].alias_of = where[x]
    assert node.inputs[0] is x
    assert y.alias_of is None

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.compiler.ops.window import output_size, same_padding
from edge_sdk.errors import ModelError

SMALL = st.integers(1, 9)


@given(st.integers(1, 40), SMALL, SMALL, st.integers(1, 4))
def test_same_padding_gives_one_output_for_each_stride(pixels: int, size: int, stride: int, dilation: int) -> None:
    padding = same_padding((pixels, pixels), (size, size), (stride, stride), (dilation, dilation))
    output = output_size((pixels, pixels), (size, size), (stride, stride), (dilation, dilation), padding)
    assert output == (-(-pixels // stride), -(-pixels // stride))
    assert padding[2] - padding[0] in (0, 1)


def test_no_padding_drops_the_rest() -> None:
    assert output_size((10, 9), (3, 2), (2, 3), (1, 1), (0, 0, 0, 0)) == (4, 3)
    assert output_size((10, 10), (3, 3), (1, 1), (4, 1), (0, 0, 0, 0)) == (2, 8)


def test_a_filter_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ModelError, match="filter of 5 pixels does not fit an image of 4"):
        output_size((4, 9), (5, 1), (1, 1), (1, 1), (0, 0, 0, 0))


@pytest.mark.parametrize("stride", [(0, 1), (1, -1), (1, 1 << 16)])
def test_a_stride_that_no_descriptor_holds_is_refused(stride: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match="stride"):
        output_size((4, 4), (1, 1), stride, (1, 1), (0, 0, 0, 0))


def test_padding_as_wide_as_the_filter_is_refused() -> None:
    with pytest.raises(ModelError, match="padding"):
        output_size((4, 4), (2, 2), (1, 1), (1, 1), (2, 0, 0, 0))

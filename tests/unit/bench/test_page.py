"""The report page: complete, well-formed, and safe whatever a model is called."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

from edge_sdk.bench.layers import Layer
from edge_sdk.bench.page import MOST_LAYERS, page
from edge_sdk.bench.power import Power
from tests.unit.cli.test_bench import REPORT, ROW

HOSTILE = '"><script>alert(1)</script>&'
LAYER = Layer(HOSTILE, "conv2d", "conv2d_s8", 3000, 1.5, 0.75, 2.0, 0.5)
FULL = replace(ROW, samples_us=(47.0, 48.0, 48.0, 61.0), layers=(LAYER,), best_gmacs={"s8": 4.0})


def test_every_picture_is_well_formed_and_every_engine_and_layer_in_it() -> None:
    text = page(replace(REPORT, engines=(FULL, replace(FULL, engine="sandbox", layers=()))))
    pictures = re.findall(r"<svg.*?</svg>", text, re.S)
    assert len(pictures) == 4  # engines, two of samples, one of layers
    for picture in pictures:
        ElementTree.fromstring(picture)
    assert "host (avx2)" in pictures[0]
    assert "sandbox (avx2)" in pictures[0]
    assert "1.50 µs (75%), 2.0 GMAC/s" in pictures[3]
    assert "prefers-color-scheme: dark" in text
    assert "Not an official MLPerf Tiny result" in text


def test_names_cannot_become_markup() -> None:
    text = page(replace(REPORT, model=HOSTILE, engines=(FULL,), skipped={HOSTILE: HOSTILE}, machine={"cpu": HOSTILE}))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_energy_is_told_where_it_was_measured_and_why_it_was_not() -> None:
    power = Power(HOSTILE, "", 1.5, {"host": 0.0025}, {"host": 0.001})
    text = page(replace(REPORT, engines=(FULL,), power=power))
    assert "<td>2.5 mJ</td><td>1 mJ</td>" in text
    assert "Idle: 1.50 W" in text
    assert "<script" not in text
    assert "no meter: none" in page(replace(REPORT, power=Power(None, "none", None, {"host": None}, {"host": None})))
    assert "Energy" not in page(REPORT)


def test_layers_beyond_many_are_told_together() -> None:
    layers = tuple(replace(LAYER, name=str(number)) for number in range(MOST_LAYERS + 2))
    assert "2 more layers take 3.00 µs" in page(replace(REPORT, engines=(replace(FULL, layers=layers),)))


def test_nothing_is_loaded_from_anywhere() -> None:
    text = page(replace(REPORT, engines=(FULL,)))
    assert not re.search(r"(src|href)\s*=|url\(|@import|https?:", text)

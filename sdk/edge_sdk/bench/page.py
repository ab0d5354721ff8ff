"""The report of a benchmark as one page of HTML: nothing to load from anywhere, light and dark, pictures as SVG.

    Path("report.html").write_text(page(report))

Every text of a model or a machine is escaped: names come from files of strangers.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from edge_sdk.bench.layers import Layer
from edge_sdk.bench.model import EngineResult, Report
from edge_sdk.bench.power import Power

WIDTH, BAR, GAP, LABEL = 860, 22, 10, 190
#: Layers that get a bar of their own; the rest are one bar together.
MOST_LAYERS = 60
#: Columns of a picture of samples.
COLUMNS = 60

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --dim: #5c6670; --line: #d5dae0; --bar: #2f6fde; --best: #b9c7de;
  --back: #ffffff; --panel: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ed; --dim: #98a2ad; --line: #343b44; --bar: #6ea0ff;
  --best: #3a4a66; --back: #14171b; --panel: #1c2127; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 900px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
.dim { color: var(--dim); } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } svg { width: 100%; height: auto; background: var(--panel);
  border-radius: 6px; } svg text { font: 12px system-ui, sans-serif; fill: var(--text); } svg .dim { fill: var(--dim); }
"""


def page(report: Report) -> str:
    """Return the page."""
    parts = [
        f"<h1>{escape(report.model)}</h1>",
        f'<p class="dim">{escape(_about(report))}</p>',
        "<h2>Time of one inference</h2>",
        _engine_bars(report.engines),
        _engine_table(report),
        *_energy(report.power),
        "<h2>How the samples lie</h2>",
        *(_histogram(one) for one in report.engines if one.samples_us),
        *(_layer_section(one) for one in report.engines if one.layers),
        "<h2>How it was measured</h2>",
        f"<p>{escape(_method(report))}</p>",
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(report.model)}'
    return f"<!doctype html>\n<html lang=en><head>{head} - edge-sdk bench</title><style>{_STYLE}</style></head>\n" + (
        "<body>" + "\n".join(parts) + "</body></html>\n"
    )


def _energy(power: Power | None) -> list[str]:
    if power is None:
        return []
    if power.meter is None:
        return ["<h2>Energy</h2>", f"<p>{escape(f'This machine has no meter: {power.reason}.')}</p>"]
    rows = [
        f"<tr><td>{escape(engine)}</td><td>{(joules or 0) * 1000:.4g} mJ</td>"
        f"<td>{(power.above_idle[engine] or 0) * 1000:.4g} mJ</td></tr>"
        for engine, joules in power.joules.items()
    ]
    head = "<tr><th>engine</th><th>of one inference</th><th>above idle</th></tr>"
    about = f"Meter: {power.meter}. Idle: {power.idle_watts or 0:.2f} W."
    return ["<h2>Energy</h2>", f"<table>{head}{''.join(rows)}</table>", f'<p class="dim">{escape(about)}</p>']


def _about(report: Report) -> str:
    machine = report.machine
    macs = f"{report.macs / 1e6:,.1f} million multiply-accumulates; " if report.macs else ""
    threads = f"{report.threads} threads; " if report.threads > 1 else ""
    return f"{macs}{threads}{machine.get('cpu', 'unknown CPU')}; edge-sdk {machine.get('edge_sdk', '?')}"


def _method(report: Report) -> str:
    clock = "CPU time of the calling thread" if report.clock == "cpu" else "wall time"
    agree = "gave the same bits" if report.outputs.identical else (
        f"differ by up to {report.outputs.largest_difference:g}"
    )  # fmt: skip
    return (
        f"Engines took turns on the same input for {report.seconds:g} s; every sample is {clock} of enough calls to "
        f"last 0.2 ms. Ratios are medians over the rounds, against {report.ratio_base}. The outputs {agree}. Layers "
        "are timed one by one, in the order and the memory of a run; 'best' is what the same kernels reach on a matrix "
        "made for them, in the same session. Not an official MLPerf Tiny result."
    )


def _svg(height: float, body: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img">{"".join(body)}</svg>'


def _bar_row(y: float, label: str, width: float, text: str, title: str, fill: str = "var(--bar)") -> str:
    middle = y + BAR / 2 + 4
    return (
        f"<g><title>{escape(title)}</title>"
        f'<text x="{LABEL - 8}" y="{middle:g}" text-anchor="end">{escape(label)}</text>'
        f'<rect x="{LABEL}" y="{y:g}" width="{max(width, 1):.1f}" height="{BAR}" rx="3" fill="{fill}"/>'
        f'<text class="dim" x="{LABEL + max(width, 1) + 6:.1f}" y="{middle:g}">{escape(text)}</text></g>'
    )


def _engine_bars(engines: Sequence[EngineResult]) -> str:
    most = max(max(one.p99_us for one in engines), 1e-9)
    room = WIDTH - LABEL - 150
    rows = []
    for index, one in enumerate(engines):
        y = GAP + index * (BAR + GAP)
        low, high = (LABEL + us / most * room for us in (one.p90_us, one.p99_us))
        rows.append(_bar_row(y, f"{one.engine} ({one.isa})", one.median_us / most * room, "", one.reason))
        words = f"{_time(one.median_us)}, p99 {_time(one.p99_us)}"
        rows.append(
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + BAR / 2:g}" y2="{y + BAR / 2:g}" stroke="var(--dim)"/>'
            f'<text class="dim" x="{high + 8:.1f}" y="{y + BAR / 2 + 4:g}">{words}</text>'
        )
    return _svg(GAP + len(engines) * (BAR + GAP), rows)


def _engine_table(report: Report) -> str:
    head = "".join(
        f"<th>{name}</th>" for name in ("engine", "median", "p90", "p99", "ratio", "load", "first", "memory")
    )
    rows = []
    for one in report.engines:
        memory = "unknown" if one.model_memory_mib is None else f"{one.model_memory_mib:.1f} MiB"
        cells = [f"{one.engine} ({one.isa})", *(_time(us) for us in (one.median_us, one.p90_us, one.p99_us))]
        cells += [f"{one.ratio:.2f}x", f"{one.load_ms:.1f} ms", f"{one.first_ms:.2f} ms", memory]
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    rows += [f"<tr><td colspan=8>{escape(f'{name}: skipped: {why}')}</td></tr>" for name, why in report.skipped.items()]
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _histogram(one: EngineResult) -> str:
    """Return how often samples take how long, up to the 99th percentile."""
    low, high = min(one.samples_us), max(one.p99_us, min(one.samples_us) * 1.01, 1e-9)
    counts = [0] * COLUMNS
    for us in one.samples_us:
        counts[min(COLUMNS - 1, int((us - low) / (high - low) * COLUMNS))] += 1
    height, wide = 90, (WIDTH - 2 * GAP) / COLUMNS
    bars = [
        f'<rect x="{GAP + index * wide:.1f}" y="{height - count / max(counts) * 60:.1f}" width="{wide - 1:.1f}" '
        f'height="{count / max(counts) * 60:.1f}" fill="var(--bar)"/>'
        for index, count in enumerate(counts)
    ]
    words = [
        f'<text x="{GAP}" y="18">{escape(one.engine)}: {len(one.samples_us)} samples</text>',
        f'<text class="dim" x="{GAP}" y="{height + 16}">{_time(low)}</text>',
        f'<text class="dim" x="{WIDTH - GAP}" y="{height + 16}" text-anchor="end">{_time(high)}</text>',
    ]
    return f"<p>{_svg(height + 24, bars + words)}</p>"


def _layer_section(one: EngineResult) -> str:
    best = ", ".join(f"{rate:g} GMAC/s ({ending})" for ending, rate in one.best_gmacs.items())
    shown = one.layers[:MOST_LAYERS]
    most = max(max(layer.median_us for layer in shown), 1e-9)
    room = WIDTH - LABEL - 210
    rows = []
    for index, layer in enumerate(shown):
        y, width = GAP + index * (BAR + 4), layer.median_us / most * room
        rows.append(_bar_row(y, layer.op, width, _layer_words(layer), layer.name, fill="var(--best)"))
        if layer.of_best is not None:  # the part of the time that the arithmetic needs at the best rate
            needed = min(layer.of_best, 1.0) * width
            rows.append(f'<rect x="{LABEL}" y="{y:g}" width="{needed:.1f}" height="{BAR}" rx="3" fill="var(--bar)"/>')
    left = sum(layer.median_us for layer in one.layers[MOST_LAYERS:])
    more = f"<p>{len(one.layers) - len(shown)} more layers take {_time(left)}.</p>" if left else ""
    note = f"Dark: what the arithmetic needs at the best rate of these kernels, {best}."
    picture = _svg(GAP + len(shown) * (BAR + 4) + GAP, rows)
    return f'<h2>Layers on {escape(one.engine)}</h2><p class="dim">{escape(note)}</p>{picture}{more}'


def _layer_words(layer: Layer) -> str:
    rate = "" if layer.gmacs is None else f", {layer.gmacs:.1f} GMAC/s"
    return f"{_time(layer.median_us)} ({layer.share:.0%}){rate}"


def _time(us: float) -> str:
    return f"{us / 1000:,.2f} ms" if us >= 1000 else f"{us:.2f} µs"


__all__ = ["page"]

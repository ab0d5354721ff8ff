"""Pipeline files for test_cli.py: one that runs, and copies with one mistake each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE_HZ, WINDOW, HOP, SECONDS = 12000, 4096, 2048, 4
RESULTS = (RATE_HZ * SECONDS - WINDOW) // HOP + 1

GOOD = f"""name = "motor"
device = "bench"

[sources.accel]
type = "replay"
file = "x.npz"
rate_hz = {RATE_HZ}
speed = 0

[[steps]]
id = "win"
use = "window"
input = "accel"
size = {WINDOW}
hop = {HOP}

[[steps]]
id = "bands"
use = "spectrum"
input = "win"
bands = 64
spacing = "log"
min_hz = 15
max_hz = 1000

[[steps]]
id = "health"
use = "model"
input = "bands"
model = "motor.wasm"
labels = ["healthy", "fault"]
score = "fault"

[[steps]]
id = "alarm"
use = "threshold"
input = "health"
on = 0.8
"""

#: Numbers in, windows out: no model, so that nothing but the source is tried.
SERIAL = """name = "line"
device = "bench"

[sources.line]
type = "serial"
port = "{port}"
rate_hz = 1000
{options}

[[steps]]
id = "win"
use = "window"
input = "line"
size = 16
"""

GUEST = """name = "guest"
device = "bench"

[sources.accel]
type = "replay"
file = "x.npz"
rate_hz = 12000
speed = 0

[[steps]]
id = "win"
use = "window"
input = "accel"
size = 16
hop = 12000

[[steps]]
id = "score"
use = "model"
input = "win"
model = "{model}"
deadline_ms = 20
on_fault = "{on_fault}"
"""

MQTT = """
[[sinks]]
type = "mqtt"
input = "alarm"
url = "mqtt://127.0.0.1:{port}"
connect_timeout_s = 1.5
flush_timeout_s = 1
required = {required}
outbox = {{ path = "{port}.db" }}
"""


@dataclass(frozen=True)
class Mistake:
    """GOOD with `old` replaced by `new` (or `content` in its place), what it must lead to, and which words."""

    name: str
    old: str
    new: str
    words: tuple[str, ...]
    code: int = 3


def sink(lines: str) -> str:
    return f'on = 0.8\n\n[[sinks]]\ntype = "mqtt"\ninput = "alarm"\n{lines}\n'


def _mistakes() -> Iterator[Mistake]:
    yield Mistake("unknown-table", "name =", "sinkz = []\nname =", ("sinkz: unknown key; did you mean 'sinks'?",))
    yield Mistake("unknown-key", "hop = 2048", 'hop = 2048\ncolour = "red"', ("steps[0].colour: unknown key",))
    yield Mistake("misspelt-key", "hop = 2048", "hpo = 2048", ("steps[0].hpo", "did you mean 'hop'?"))
    yield Mistake("misspelt-source", '"replay"', '"replya"', ("sources.accel.type", "did you mean 'replay'?"))
    yield Mistake("misspelt-step", '"spectrum"', '"spectrm"', ("steps[1].use", "did you mean 'spectrum'?"))
    yield Mistake("misspelt-input", 'input = "bands"', 'input = "bandz"', ("steps[2].input", "did you mean 'bands'?"))
    yield Mistake("misspelt-score", 'score = "fault"', 'score = "falut"', ("steps[2].score", "did you mean 'fault'?"))
    yield Mistake("missing-size", "size = 4096\n", "", ("steps[0].size: this key is missing",))
    yield Mistake("missing-id", 'id = "win"\n', "", ("steps[0].id: this key is missing",))
    yield Mistake("missing-name", 'name = "motor"\n', "", ("name: this key is missing",))
    yield Mistake("missing-rate", "rate_hz = 12000\n", "", ("sources.accel.rate_hz: this key is missing",))
    yield Mistake("text-for-number", "size = 4096", 'size = "4096"', ("steps[0].size: expected an integer, got a",))
    yield Mistake("number-for-text", 'name = "motor"', "name = 3", ("name: expected a string, got an integer",))
    yield Mistake("fraction-for-integer", "size = 4096", "size = 4096.5", ("steps[0].size: expected an integer",))
    yield Mistake("negative-size", "size = 4096", "size = -1", ("steps[0].size",))
    yield Mistake("huge-size", "size = 4096", "size = 9223372036854775807", ("steps[0].size",))
    yield Mistake("endless-integer", "size = 4096", "size = " + "9" * 5000, ("not valid TOML",))
    yield Mistake("nan-rate", "rate_hz = 12000", "rate_hz = nan", ("sources.accel.rate_hz", "finite"))
    yield Mistake("cycle", 'input = "accel"', 'input = "health"', ("steps[0].input", "circle", "win -> "))
    yield Mistake("own-input", 'input = "accel"', 'input = "win"', ("steps[0].input", "circle"))
    yield Mistake("two-names", 'name = "motor"', 'name = "motor"\nname = "b"', ("not valid TOML", "line 2"))
    yield Mistake("single-bracket", '[[steps]]\nid = "win"', '[steps]\nid = "win"', ("not valid TOML",))
    yield Mistake("feature-count", "bands = 64", "bands = 32", ("steps[2].input", "takes 1x64 = 64", "[1x32]"))
    yield Mistake("label-count", '"fault"]', '"fault", "odd"]', ("steps[2].labels", "expected 2 labels", "got 3"))
    yield Mistake("no-model", "motor.wasm", "none.wasm", ("steps[2].model", "none.wasm", "no such file"), 4)
    yield Mistake("folder-as-model", "motor.wasm", "folder.wasm", ("steps[2].model", "is a folder"), 4)
    yield Mistake("damaged-model", "motor.wasm", "cut.wasm", ("steps[2].model", "cut.wasm", "damaged"))
    yield Mistake("no-recording", "x.npz", "none.npz", ("sources.accel.file", "none.npz", "no such file"), 4)
    yield Mistake("damaged-recording", "x.npz", "cut.npz", ("sources.accel.file", "cut.npz"))
    yield Mistake("nul-in-model", "motor.wasm", "a\\u0000.wasm", ("steps[2]", "NUL"))
    yield Mistake("nul-in-labels", 'labels = ["healthy", "fault"]', 'labels_file = "a\\u0000"', ("steps[2]", "NUL"))
    yield Mistake("nobodys-home", "x.npz", "~no-such-user/x.npz", ("sources.accel", "home"))
    yield Mistake("variable-unset", '"motor"', '"${env:EDGE_UNSET}"', ("name:", "EDGE_UNSET", "try: export EDGE_UNSET"))
    yield Mistake("variable-unnamed", '"motor"', '"${env:}"', ("name: expected ${env:NAME}",))
    yield Mistake("variable-not-text", '"motor"', '"${env:EDGE_BYTES}"', ("name:", "EDGE_BYTES", "UTF-8"))
    yield Mistake("sink-on-source", "on = 0.8", sink('url = "mqtt://h"').replace("alarm", "accel"), ("sinks[0].input",))
    yield Mistake("web-url", "on = 0.8", sink('url = "http://h"'), ("sinks[0].url", "mqtt://"))
    yield Mistake("wild-topic", "on = 0.8", sink('url = "mqtt://h"\ntopic = "a/#"'), ("sinks[0].topic", "wildcards"))


MISTAKES = tuple(_mistakes())
#: Words that must never be repeated; they stand where a password might.
PASSWORD = "hunter2-hunter2"
PASSWORDS = (
    Mistake("password-in-url", "on = 0.8", sink(f'url = "mqtt://u:{PASSWORD}@h"'), ("sinks[0].url",)),
    Mistake(
        "password-in-file",
        "on = 0.8",
        sink(f'url = "mqtt://h"\nusername = "u"\npassword = "{PASSWORD}"'),
        ("sinks[0].password", "${env:NAME}"),
    ),
)
#: name -> (content, words)
WHOLE_FILES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "empty": (b"", ("empty.toml: name: this key is missing",)),
    "binary": (bytes(range(256)) * 8, ("binary.toml: not UTF-8 at line",)),
    "two-mib": (b"# " + b"x" * (2 << 20), ("two-mib.toml: larger than 1 MiB",)),
    "latin-1": (GOOD.replace("motor", "mot\xf6r").encode("latin-1"), ("latin-1.toml: not UTF-8 at line 1",)),
    "deep": (b"a = " + b"[" * 5000 + b"]" * 5000, ("deep.toml:", "nested too deeply")),
    "a-model": (b"\0asm\1\0\0\0", ("a-model.toml: not valid TOML",)),
}


def write_pipelines(folder: Path) -> None:
    samples = np.random.default_rng(0).normal(size=(RATE_HZ * SECONDS, 1)).astype(np.float32)
    np.savez(folder / "x.npz", x=samples)
    (folder / "cut.npz").write_bytes((folder / "x.npz").read_bytes()[:5000])
    (folder / "good.toml").write_text(GOOD)
    (folder / "mark.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    (folder / "endless.toml").write_text(GOOD.replace("speed = 0", "speed = 4\nloop = true"))
    (folder / "fast.toml").write_text(GOOD.replace("speed = 0", "speed = 0\nloop = true"))
    for mistake in (*MISTAKES, *PASSWORDS):
        assert GOOD.count(mistake.old) == 1 or mistake.old in ('"motor"', "name ="), mistake.name
        (folder / f"{mistake.name}.toml").write_text(GOOD.replace(mistake.old, mistake.new, 1))
    for name, (content, _) in WHOLE_FILES.items():
        (folder / f"{name}.toml").write_bytes(content)
    (folder / "folder.toml").mkdir()
    for on_fault in ("stop", "skip"):
        for model in ("loop", "trap"):
            text = GUEST.format(model=f"guest-one-input-{model}.wasm", on_fault=on_fault)
            (folder / f"guest-{model}-{on_fault}.toml").write_text(text)

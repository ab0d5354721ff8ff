"""The real `edge-sdk` command against everything a person or a machine can get wrong.

Each row: what is typed, the exit code, and words that the error must hold. Common to all rows: one `error:` line,
nothing on stdout, no traceback, no hang, no death by a signal.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk.cli.main import COMMANDS
from edge_sdk.compiler.convert import convert
from tests.hostile import cli_files, cli_live, cli_pipelines
from tests.hostile.cli_process import ADDRESS_SPACE_KIB, Bench, Done, Pool, assert_clean, assert_refused, names


@dataclass(frozen=True)
class Row:
    """`argv` typed in the folder of bad files must leave with `code` and say `words`."""

    name: str
    argv: str
    code: int
    words: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """Something that happens; `judge` looks at how it ended."""

    name: str
    act: Callable[[Bench], Any]
    judge: Callable[[Any], None]


def rows() -> Iterator[Row]:
    # what is typed
    yield Row("unknown-verb", "rnu", 2, ("unknown command 'rnu'; did you mean 'run'?", "try: "))
    yield Row("unknown-option", "--frob", 2, ("unknown option '--frob'", "try: "))
    yield Row("unknown-run-option", "run good.toml --jsno", 2, ("--jsno", "try: edge-sdk run --help"))
    yield Row("no-target", "run", 2, ("PIPELINE.toml|MODEL", "try: edge-sdk run --help"))
    yield Row("unknown-engine", "run motor.wasm --input good.npy --engine cuda", 2, ("'cuda'", "'sandbox'", "try: "))
    yield Row("unknown-bench-engine", "bench motor.wasm --engine cuda", 2, ("unknown engine 'cuda'", "sandbox"))
    yield Row("unknown-board", "boards show raspberypi-5", 4, ("did you mean 'raspberrypi-5'?", "try: edge-sdk boards"))
    yield Row("unknown-doctor-board", "doctor --board nope", 4, ("unknown board 'nope'", "try: edge-sdk boards list"))
    yield Row("input-for-pipeline", "run good.toml --input good.npy", 2, ("--input does not go with a pipeline",))
    yield Row("duration-for-model", "run motor.wasm --duration 3", 2, ("--duration does not go with a model",))
    yield Row("no-duration", "run good.toml --duration nan", 2, ("--duration", "nan"))
    yield Row("no-seconds", "bench motor.wasm --seconds inf", 2, ("--seconds", "inf"))
    yield Row("no-speed", "sim motor --speed nan", 2, ("--speed", "nan", "try: "))
    yield Row("endless-speed", "sim motor --speed inf", 2, ("--speed", "inf"))
    yield Row("no-end", "sim motor --seconds nan", 2, ("--seconds", "nan"))
    # models
    for verb in ("run {} --input good.npy", "convert {} -o out.wasm"):
        name = verb.split()[0]
        yield Row(f"{name}-cut-tflite", verb.format("cut.tflite"), 3, ("cut.tflite: ", "damaged", "try: "))
        yield Row(f"{name}-empty-tflite", verb.format("empty.tflite"), 3, ("empty.tflite: ", "0 bytes", "try: "))
        yield Row(f"{name}-folder", verb.format("folder.tflite"), 4, ("folder.tflite: is a folder",))
        yield Row(f"{name}-missing", verb.format("none.tflite"), 4, ("none.tflite: ", "no such file", "try: "))
    yield Row("bench-missing", "bench none.tflite", 4, ("none.tflite: ", "no such file", "try: "))
    yield Row("text-as-tflite", "run text.tflite --input good.npy", 3, ("text.tflite: ", "no model file", "try: "))
    yield Row("cut-wasm", "run cut.wasm --input good.npy", 3, ("cut.wasm: ", "damaged Wasm module", "try: "))
    yield Row("empty-wasm", "run empty.wasm --input good.npy", 3, ("empty.wasm: ", "not a Wasm module", "try: "))
    yield Row("text-as-wasm", "run text.wasm --input good.npy", 3, ("text.wasm: ", "not a Wasm module"))
    yield Row("bare-wasm", "run bare.wasm --input good.npy", 3, ("bare.wasm: ", "not an edge-sdk model"))
    yield Row("folder-as-wasm", "run folder.wasm --input good.npy", 4, ("folder.wasm: is a folder",))
    yield Row("file-as-folder", "run motor.wasm/x.wasm --input good.npy", 4, ("motor.wasm/x.wasm: ", "no such file"))
    yield Row("unknown-suffix", "run motor.onnx --input good.npy", 2, ("motor.onnx: ", ".tflite, .wasm", "try: "))
    yield Row("no-suffix", "run motor --input good.npy", 2, ("motor: ", ".tflite, .wasm"))
    yield Row("wasm-again", "convert motor.wasm -o out.wasm", 3, ("motor.wasm: ", "already", "try: edge-sdk run"))
    # inputs
    yield Row("no-input", "run motor.wasm", 2, ("--input 1 times", "features", "got 0"))
    yield Row("two-inputs", "run motor.wasm --input good.npy --input good.npy", 2, ("--input 1 times", "got 2"))
    yield Row("two-outputs", "run motor.wasm --input good.npy --output a --output b", 2, ("--output 1 times", "got 2"))
    for name, code, words in (
        ("none", 4, "no such file"),
        ("nan", 3, "expected int8 [1, 64], got float32 [1, 64]"),
        ("flat", 3, "expected int8 [1, 64], got int8 [64]"),
        ("text", 3, "expected numbers"),
        ("pickled", 3, "expected numbers, got the dtype object"),
        ("cut", 3, "cut.npy: cut short: 59 of 64 bytes"),
        ("cut-header", 3, "not a .npy array"),
        ("empty", 3, "not a .npy array"),
        ("garbage", 3, "not a .npy array"),
        ("huge-header", 3, "not a .npy array"),
        ("nested-header", 3, "not a .npy array"),
        ("huge-shape", 3, "at most 1.0 GiB"),
        ("huger-shape", 3, "at most 1.0 GiB"),
        ("huge-beside-zero", 3, "not a .npy array"),
        ("many-dimensions", 3, "not a .npy array"),
        ("negative-shape", 3, "not a .npy array"),
        ("truth-as-shape", 3, "not a .npy array"),
        ("inner-shape", 3, "expected numbers"),
    ):
        yield Row(f"input-{name}", f"run motor.wasm --input {name}.npy", code, (words,))
    yield Row("input-folder", "run motor.wasm --input folder.tflite", 4, ("folder.tflite: is a folder",))
    # outputs
    run_to, convert_to = "run motor.wasm --input good.npy --output", "convert motor.tflite -o"
    yield Row("output-nowhere", f"{run_to} none/y.npy", 7, ("none/y.npy: cannot be written", "try: mkdir -p none"))
    yield Row("convert-nowhere", f"{convert_to} none/m.wasm", 7, ("none/m.wasm: cannot be written", "try: mkdir"))
    yield Row("output-folder", f"{run_to} folder.tflite", 7, ("folder.tflite: cannot be written", "directory"))
    yield Row("output-below-file", f"{run_to} motor.wasm/y.npy", 7, ("motor.wasm/y.npy: cannot be written",))
    yield Row("convert-onto-itself", f"{convert_to} motor.tflite", 2, ("the output is the model itself", "try: "))
    # pipelines
    yield Row("missing-pipeline", "run none.toml", 4, ("none.toml: no such file",))
    yield Row("folder-as-pipeline", "run folder.toml", 4, ("folder.toml: is a folder",))
    for mistake in cli_pipelines.MISTAKES:
        words = (f"{mistake.name}.toml: {mistake.words[0]}", *mistake.words[1:])
        yield Row(f"pipeline-{mistake.name}", f"run {mistake.name}.toml", mistake.code, words)
    for name, (_, words) in cli_pipelines.WHOLE_FILES.items():
        yield Row(f"pipeline-{name}", f"run {name}.toml", 3, words)
    # ports
    yield Row("port-absent", "run port-absent.toml", 4, ("/dev/edge-none: not there", "try: edge-sdk doctor"))
    yield Row("port-usb-absent", "run port-usb-absent.toml", 4, ("usb:dead:beef:1: not there", "try: edge-sdk doctor"))
    yield Row("port-usb-odd", "run port-usb-odd.toml", 3, ("usb:zz", "expected usb:VID:PID"))
    yield Row(
        "port-is-a-file", "run port-is-a-file.toml", 4, ("motor.wasm: cannot be opened as a serial port", "try: ")
    )
    yield Row("port-is-a-folder", "run port-is-a-folder.toml", 4, ("serial port folder.toml",))
    # guests
    for name, code, words in (
        ("loop", 11, ("guest-loop.wasm: ", "infer took longer than the deadline", "try: ")),
        ("four-gib", 5, ("guest-four-gib.wasm: ", "4096.0 MiB", "the limit is 256.0 MiB", "try: ")),
        ("start", 5, ("guest-start.wasm: ", "start function")),
        ("outside", 5, ("edge_kernels.add_f32", "outside linear memory", "try: ")),
        ("overlap", 5, ("node 0 'sum' (ADD)", "edge_kernels.add_f32", "`output`", "overlaps")),
        ("overflow", 5, ("node 0 'sum' (ADD)", "edge_kernels.add_f32", "`a`")),
        ("version", 5, ("node 0 'sum' (ADD)", "edge_kernels.add_f32", "`version`")),
        ("trap", 5, ("unreachable in infer",)),
        ("recursion", 5, ("stack overflow in f",)),
        ("foreign", 5, ("wasi_snapshot_preview1.fd_write",)),
        ("no-manifest", 3, ("guest-no-manifest.wasm: ", "no section 'edge.manifest'", "try: ")),
        ("bad-manifest", 3, ("guest-bad-manifest.wasm: manifest: ",)),
        ("other-abi", 3, ("kernel ABI 99", "try: convert the model again")),
    ):
        # Others are refused before the engine matters, and the loop takes ten seconds of a core.
        engines = ("host", "sandbox") if name in ("outside", "overlap", "trap") else ("host",)
        for engine in engines:
            argv = f"run guest-{name}.wasm --input vector.npy --input vector.npy --engine {engine}"
            yield Row(f"guest-{name}-{engine}", argv, code, words)
    yield Row("guest-loop-in-pipeline", "run guest-loop-stop.toml", 11, ("step score: ", "deadline of 0.02 s"))
    yield Row("guest-trap-in-pipeline", "run guest-trap-stop.toml", 5, ("step score: ", "unreachable in infer"))


ROWS = tuple(rows())
FLIPS = [f"flip{number}.{suffix}" for suffix in ("tflite", "wasm") for number in range(cli_files.FLIPS)]
HELPS = [*COMMANDS, "boards list", "boards show", "sim motor"]
PORTS = {
    "absent": "/dev/edge-none",
    "usb-absent": "usb:dead:beef:1",
    "usb-odd": "usb:zz",
    "is-a-file": "motor.wasm",
    "is-a-folder": "folder.toml",
}


# ---- what happens while something runs ----


def ndjson(out: bytes) -> list[dict[str, Any]]:
    assert out.endswith(b"\n"), out[-200:]
    return [json.loads(line) for line in out.splitlines()]


def ended(code: int, *words: str) -> Callable[[Done], None]:
    """Judge: a clean end with this code, and these words on stderr."""

    def judge(done: Done) -> None:
        assert_clean(done)
        assert done.code == code, done
        for word in words:
            assert word in done.err, f"{word!r} is not said: {done}"

    return judge


def refused(code: int, *words: str) -> Callable[[Done], None]:
    return lambda done: assert_refused(done, code, *words)


def lost_for_good(done: Done) -> None:
    ended(7, "source line: serial port", "gone", "error: ")(done)
    assert len(ndjson(done.out)) == 2, done


def back_again(done: Done) -> None:
    ended(0, "waiting for it to come back", "is back", "1 port lost")(done)
    assert len(found := ndjson(done.out)) == 3, done
    assert any(line["gap"] for line in found[1:]), "the hole in the samples is not marked"


def after_the_noise(done: Done) -> None:
    ended(0, "dropped bytes")(done)
    assert len(ndjson(done.out)) == 20, done


def flushed(code: int) -> Callable[[Done], None]:
    """Judge: every result that the closing line counts is whole on stdout."""

    def judge(done: Done) -> None:
        ended(code)(done)
        counted = re.search(r"(\d+) results", done.err)
        assert counted, done
        assert len(ndjson(done.out)) == int(counted[1]) >= 3, done

    return judge


def at_once(code: int) -> Callable[[tuple[Done, float]], None]:
    def judge(found: tuple[Done, float]) -> None:
        ended(code)(found[0])
        assert found[1] < 15, f"ended {found[1]:.1f} s after the signal"  # the broker would be waited for 30 s

    return judge


def delivered(found: tuple[Done, int]) -> None:
    done, count = found
    flushed(0)(done)
    assert count == len(ndjson(done.out)), f"{count} results reached the subscriber: {done}"


def one_object(*keys: str) -> Callable[[Done], None]:
    """Judge: stdout is one JSON object with these keys."""

    def judge(done: Done) -> None:
        ended(0)(done)
        found = json.loads(done.out)
        assert isinstance(found, dict), done
        assert not set(keys) - set(found), done

    return judge


def objects(count: int, *keys: str) -> Callable[[Done], None]:
    def judge(done: Done) -> None:
        ended(0)(done)
        found = ndjson(done.out)
        assert len(found) == count, done
        assert all(not set(keys) - set(line) for line in found), done

    return judge


def all_results(done: Done) -> None:
    objects(cli_pipelines.RESULTS, "alarm")(done)


def no_cache(done: Done) -> None:
    ended(0)(done)
    assert done.err.count("warning: no cache folder: ") == 1, done


def first_line_only(done: Done) -> None:
    ended(0)(done)
    assert "error" not in done.err, done


def no_device_is_replaced(bench: Bench) -> Done:
    """A named pipe stands for /dev/stdout and /dev/null, which root could really replace."""
    pipe = bench.folder / "pipe.npy"
    os.mkfifo(pipe)
    content: list[bytes] = []
    reader = threading.Thread(target=lambda: content.append(pipe.read_bytes()), daemon=True)
    reader.start()
    done = bench.run("run", "motor.wasm", "--input", "good.npy", "--output", pipe.name)
    assert stat.S_ISFIFO(pipe.lstat().st_mode), "the pipe was replaced by a file"
    reader.join(10)
    assert np.load(io.BytesIO(content[0])).shape == (1, 2)
    return done


def links_are_followed(bench: Bench) -> Done:
    (bench.folder / "real.wasm").write_bytes(b"old")
    (bench.folder / "link.wasm").symlink_to("real.wasm")
    done = bench.run("convert", "motor.tflite", "-o", "link.wasm")
    assert (bench.folder / "link.wasm").is_symlink()
    assert (bench.folder / "real.wasm").read_bytes()[:4] == b"\0asm"
    return done


def cache_in_somebodys_folder(bench: Bench) -> Done:
    """A folder that is open to others and holds files is neither closed nor cleared."""
    folder = bench.folder / "documents"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "letter.txt").write_text("mine")
    done = bench.run("run", "motor.tflite", "--input", "good.npy", EDGE_SDK_CACHE=str(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]
    return done


def name_that_is_not_utf8(bench: Bench, suffix: str) -> Done:
    name = os.fsdecode(f"b\xe4r.{suffix}".encode("latin-1"))
    (bench.folder / name).write_bytes((bench.folder / f"motor.{suffix}").read_bytes())
    return bench.run("run", name, "--input", "good.npy", "--json")


def closed_early(*argv: str) -> Callable[[Bench], Done]:
    return lambda bench: cli_live.stdout_is_closed_early(bench, *argv)


def typed(argv: str, **environment: str) -> Callable[[Bench], Done]:
    return lambda bench: bench.run(*argv.split(), **environment)


def scripted(script: str) -> Callable[[Bench], Done]:
    return lambda bench: bench.shell(script)


def scenes() -> Iterator[Scene]:
    # the serial line
    yield Scene("port-vanishes-stop", cli_live.port_vanishes_and_that_is_the_end, lost_for_good)
    yield Scene("port-vanishes-reconnect", cli_live.port_vanishes_and_comes_back, back_again)
    yield Scene("port-vanishes-for-good", cli_live.port_vanishes_for_good, ended(0, "1 port lost", "(SIGTERM)"))
    yield Scene("serial-garbage-then-frames", cli_live.garbage_then_frames, after_the_noise)
    yield Scene("serial-garbage-as-text", cli_live.garbage_on_a_text_line, ended(0, "bad lines"))
    yield Scene("serial-garbage-only", cli_live.nothing_but_garbage, ended(0, "0 results", "dropped bytes"))
    yield Scene("serial-two-readers", cli_live.second_reader_of_a_port, refused(21, "another program uses it", "try: "))
    # brokers
    for required in (True, False):
        judge = (
            refused(7, "127.0.0.1", "not reached", "try: ") if required else ended(7, "wait on disk for the next run")
        )
        yield Scene(
            f"broker-absent-{required}",
            lambda bench, required=required: cli_live.with_broker(
                bench, "absent", cli_live.absent_port(), required=required
            ),
            judge,
        )
        for kind in cli_live.FALSE_BROKERS:
            yield Scene(
                f"broker-{kind}-{required}",
                lambda bench, kind=kind, required=required: cli_live.with_false_broker(bench, kind, required=required),
                judge,
            )
    # signals
    for number, code in cli_live.STOPS.items():
        yield Scene(
            f"stopped-by-{number.name}",
            lambda bench, number=number: cli_live.stopped_while_running(bench, number),
            flushed(code),
        )
        yield Scene(
            f"stopped-by-{number.name}-before-the-broker-answers",
            lambda bench, number=number: cli_live.stopped_while_waiting_for_a_broker(bench, number),
            at_once(code),
        )
    yield Scene("stopped-with-results-on-the-way", cli_live.stopped_with_results_for_a_broker, delivered)
    # streams
    yield Scene("head-run", closed_early("run", "fast.toml", "--json"), first_line_only)
    yield Scene("head-doctor", closed_early("doctor", "--json"), first_line_only)
    yield Scene("head-boards", closed_early("boards", "list"), first_line_only)
    yield Scene("head-convert", closed_early("convert", "motor.tflite", "--dry-run"), first_line_only)
    yield Scene("full-disk", scripted('"$EDGE" run good.toml --json >/dev/full'), refused(7, "No space left"))
    yield Scene("stdout-closed", scripted('"$EDGE" boards list >&-'), ended(0))
    yield Scene("no-streams", scripted('"$EDGE" run good.toml >&- 2>&-'), ended(0))
    yield Scene("stderr-closed", scripted('"$EDGE" run good.toml --json 2>&-'), all_results)
    yield Scene("stderr-without-reader", scripted('"$EDGE" run good.toml --json 2> >(true)'), all_results)
    yield Scene("stderr-full", scripted('"$EDGE" run good.toml --json 2>/dev/full'), all_results)
    yield Scene("error-into-the-void", scripted('"$EDGE" run none.toml 2>/dev/full'), ended(4))
    # JSON
    keys = ("model", "engine", "outputs")
    yield Scene("json-run-model", typed("run motor.wasm --input good.npy --json"), one_object(*keys))
    yield Scene("json-run-pipeline", typed("run good.toml --json"), objects(cli_pipelines.RESULTS, "step", "alarm"))
    yield Scene("json-convert", typed("convert motor.tflite --dry-run --json"), one_object("nodes", "module_bytes"))
    yield Scene("json-doctor", typed("doctor --json"), one_object("board", "isa", "engine", "self_test"))
    yield Scene("json-boards", typed("boards list --json"), one_object("boards"))
    yield Scene("json-board", typed("boards show sim --json"), one_object("name"))
    yield Scene("json-bench", typed("bench motor.wasm --seconds 0.1 --json"), one_object("engines", "outputs"))
    yield Scene("json-sim", typed("sim motor --seconds 0.1 --json"), objects(2, "event"))
    # odd places
    for engine in ("host", "sandbox"):
        argv = f"run motor.tflite --input good.npy --engine {engine}"
        yield Scene(f"no-cache-{engine}", typed(argv, EDGE_SDK_CACHE="/proc/x"), no_cache)
        limit = f'ulimit -v {ADDRESS_SPACE_KIB} && EDGE_SDK_CACHE=cache-{engine} "$EDGE" {argv}'
        yield Scene(f"two-gib-{engine}", scripted(limit), ended(0, engine))
    yield Scene("two-gib-pipeline", scripted(f'ulimit -v {ADDRESS_SPACE_KIB} && "$EDGE" run good.toml'), ended(0))
    yield Scene("no-home", scripted('env -u HOME -u EDGE_SDK_CACHE "$EDGE" boards list'), ended(0))
    yield Scene("cache-in-documents", cache_in_somebodys_folder, ended(0, "open to others and not empty"))
    yield Scene(
        "no-board-files", typed("boards list", EDGE_SDK_BOARDS="none"), refused(4, "none: no such folder", "try: ")
    )
    yield Scene("pipe-as-output", no_device_is_replaced, ended(0))
    yield Scene("link-as-output", links_are_followed, ended(0))
    yield Scene("upper-case", typed("run UPPER.WASM --input good.npy"), ended(0))
    yield Scene("byte-order-mark", typed("run mark.toml --max-results 1"), ended(0, "1 results"))
    yield Scene("latin-1-tflite", lambda bench: name_that_is_not_utf8(bench, "tflite"), one_object("model"))
    yield Scene("latin-1-wasm", lambda bench: name_that_is_not_utf8(bench, "wasm"), one_object("model"))
    fault = ("trap: unreachable in infer", "model faults")
    yield Scene("faults-are-skipped", typed("run guest-trap-skip.toml"), ended(0, *fault))
    yield Scene(
        "deadlines-are-skipped", typed("run guest-loop-skip.toml"), ended(0, "deadline of 0.02 s", "model faults")
    )
    escape = "run guest-escape.wasm --input vector.npy --input vector.npy"
    yield Scene("escape-sequence", typed(escape), escaped)
    for mistake in cli_pipelines.PASSWORDS:
        yield Scene(mistake.name, typed(f"run {mistake.name}.toml"), keeps_the_password(mistake.words))


def escaped(done: Done) -> None:
    refused(5, "unreachable")(done)
    assert "\x1b" not in done.err, "a model's name reaches the terminal as it is"


def keeps_the_password(words: tuple[str, ...]) -> Callable[[Done], None]:
    def judge(done: Done) -> None:
        refused(3, *words)(done)
        assert cli_pipelines.PASSWORD not in done.err

    return judge


SCENES = tuple(scenes())


# ---- the tests ----


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("cli")
    cli_files.write_arrays(folder)
    cli_files.write_models(folder, convert(cli_files.MODEL.read_bytes(), name="motor").module)
    cli_files.write_guests(folder)
    cli_pipelines.write_pipelines(folder)
    for name, port in PORTS.items():
        text = cli_pipelines.SERIAL.format(port=port, options=cli_live.LINES)
        (folder / f"port-{name}.toml").write_text(text)
    drop = ("EDGE_SDK_DEBUG", "EDGE_SDK_BOARD", "EDGE_SDK_BOARDS")
    environment = {key: value for key, value in os.environ.items() if key not in drop}
    not_text = os.fsdecode(b"\xff")
    return Bench(folder, environment | {"EDGE_SDK_CACHE": str(folder / "cache"), "EDGE_BYTES": not_text})


@pytest.fixture(scope="module")
def pool(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Pool]:
    """Everything that the chosen tests of this file will ask for, under way."""
    work: list[tuple[str, Callable[[], Any]]] = []
    for item in request.session.items:
        chosen = getattr(getattr(item, "callspec", None), "params", {})
        if item.path != Path(__file__) or not chosen:
            continue
        if "row" in chosen:
            work.append((chosen["row"].name, lambda row=chosen["row"]: bench.run(*row.argv.split())))
        elif "scene" in chosen:
            work.append((chosen["scene"].name, lambda scene=chosen["scene"]: scene.act(bench)))
        elif "damaged" in chosen:
            argv = ["run", chosen["damaged"], "--input", "good.npy"]
            work.append((chosen["damaged"], lambda argv=argv: bench.run(*argv)))
        elif "verb" in chosen:
            work.append((chosen["verb"], lambda verb=chosen["verb"]: bench.run(*verb.split(), "--help")))
    random.Random(0).shuffle(work)  # some wait and some compute: together they take least
    work.sort(key=lambda one: one[0] != "guest-loop-host")  # the longest first
    running = Pool(work)
    yield running
    running.close()


@pytest.mark.parametrize("row", ROWS, ids=names(ROWS))
def test_a_mistake_is_refused_with_its_words_and_exit_code(row: Row, pool: Pool) -> None:
    done = pool.result(row.name)
    progress = [line for line in done.err.splitlines(keepends=True) if not line.startswith("measuring ")]
    assert_refused(Done(done.argv, done.code, done.out, "".join(progress)), row.code, *row.words)


@pytest.mark.parametrize("scene", SCENES, ids=names(SCENES))
def test_what_happens_while_it_runs_ends_well(scene: Scene, pool: Pool) -> None:
    scene.judge(pool.result(scene.name))


@pytest.mark.parametrize("damaged", FLIPS)
def test_flipped_bits_give_an_error_or_a_result(damaged: str, pool: Pool) -> None:
    done = pool.result(damaged)
    assert_clean(done)
    assert done.code in (0, 3, 5, 11), done
    if done.code:
        assert_refused(done, done.code, damaged)


@pytest.mark.parametrize("verb", HELPS)
def test_every_help_shows_an_example(verb: str, pool: Pool) -> None:
    done = pool.result(verb)
    assert_clean(done)
    assert done.code == 0, done
    text = done.out.decode()
    assert re.search(rf"(?m)^ +.*edge-sdk {verb.split()[0]} ", text.partition("example")[2]), text


def test_a_file_of_the_system_is_not_written(bench: Bench) -> None:
    before = sorted(os.listdir("/sys"))
    done = bench.run("run", "motor.wasm", "--input", "good.npy", "--output", "/sys/edge-sdk.npy")
    assert_refused(done, done.code, "/sys/edge-sdk.npy: ")
    assert done.code in (6, 7), done  # 7 where /sys is mounted read-only
    assert sorted(os.listdir("/sys")) == before

from __future__ import annotations

import io
import struct
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.config import Where
from edge_sdk.errors import ConfigError, EdgeError, InputError, TargetNotFoundError
from edge_sdk.sensors.array_file import read_npy
from edge_sdk.sensors.replay import ReplayOptions, ReplaySource


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 50.0

    def monotonic(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.now_s += seconds


def source_of(folder: Path, clock: FakeTime | None = None, **options: object) -> ReplaySource:
    clock = clock or FakeTime()
    settings = ReplayOptions(**{"rate_hz": 1000.0, "speed": 0.0, **options})  # type: ignore[arg-type]
    return ReplaySource(
        settings, Where(folder / "p.toml", "sources.a"), "a", monotonic=clock.monotonic, pause=clock.pause
    )


def drain(source: ReplaySource, reads: int = 100) -> list[list[float]]:
    source.open()
    rows: list[list[float]] = []
    for _ in range(reads):
        reading = source.read(0.1)
        rows += reading.samples.tolist() if reading else []
    return rows


@pytest.mark.parametrize("suffix", ["npz", "wav"])
def test_samples_of_one_byte_count_as_the_numbers_they_become(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr("edge_sdk.sensors.replay.MAX_SAMPLES", 100)
    for count, fine in ((100, True), (102, False)):
        path = tmp_path / f"{count}.{suffix}"
        if suffix == "npz":
            np.savez(path, only=np.zeros((count // 2, 2), np.int8))
        else:
            with wave.open(str(path), "wb") as sound:
                sound.setparams((2, 1, 8000, 0, "NONE", ""))
                sound.writeframes(bytes(count))
        if fine:
            assert len(drain(source_of(tmp_path, file=path.name))) == count // 2
        else:
            with pytest.raises(InputError, match="102 samples, at most 100"):
                source_of(tmp_path, file=path.name)


@pytest.mark.parametrize("suffix", ["npz", "csv", "wav"])
def test_each_kind_of_file_gives_its_samples(tmp_path: Path, suffix: str) -> None:
    rows = [[0.0, 0.5], [-0.25, 0.125], [-1.0, 0.75]]
    path = tmp_path / f"x.{suffix}"
    match suffix:
        case "npz":
            np.savez(path, only=np.array(rows))
        case "csv":
            path.write_text("x,y\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n")
        case "wav":
            with wave.open(str(path), "wb") as sound:
                sound.setparams((2, 2, 8000, 0, "NONE", ""))
                sound.writeframes(b"".join(struct.pack("<hh", *(int(v * 32768) for v in row)) for row in rows))
    source = source_of(tmp_path, file=path.name, rate_hz=None if suffix == "wav" else 8000.0)
    assert source.output.rate_hz == 8000
    assert source.output.channels == (("x", "y") if suffix == "csv" else ("ch0", "ch1"))
    assert drain(source) == rows
    assert source.ended


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_samples_of_every_width_are_signed_fractions(tmp_path: Path, width: int) -> None:
    top = 1 << (8 * width - 1)
    values = [0, top // 2, -top // 2, -top]
    data = b"".join(
        (v + 128).to_bytes(1, "little") if width == 1 else v.to_bytes(width, "little", signed=True) for v in values
    )
    with wave.open(str(tmp_path / "x.wav"), "wb") as sound:
        sound.setparams((1, width, 16000, 0, "NONE", ""))
        sound.writeframes(data)
    assert drain(source_of(tmp_path, file="x.wav", rate_hz=None)) == [[0.0], [0.5], [-0.5], [-1.0]]


@pytest.mark.parametrize("columns", [("b", "a"), (1, 0), ("b", 0)])
def test_csv_columns_are_chosen_by_name_or_number(tmp_path: Path, columns: tuple[str | int, ...]) -> None:
    (tmp_path / "x.csv").write_text("a, b,c\n1,2,text\n3,4,\n")
    source = source_of(tmp_path, file="x.csv", columns=columns)
    assert drain(source) == [[2, 1], [4, 3]]
    assert source.output.channels == ("b", "a")


def test_npz_arrays_are_chosen_by_name(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=np.arange(3), b=np.arange(6).reshape(2, 3).T)
    assert drain(source_of(tmp_path, file="x.npz", array="b", columns=(1,))) == [[3], [4], [5]]


def test_real_time_is_kept_and_times_are_those_of_the_recording(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(200))
    for speed in (1.0, 4.0):
        clock = FakeTime()
        source = source_of(tmp_path, clock, file="x.npz", speed=speed)
        source.open()
        times = []
        while not source.ended:
            reading = source.read(0.01)
            if reading:
                times.append(reading.time_s)
                assert reading.time_s == pytest.approx(50.0 + reading.samples[0, 0] / 1000)
        assert clock.now_s == pytest.approx(50.0 + 0.2 / speed, abs=0.011)
        assert len(times) >= 1


def test_a_loop_begins_again_with_a_gap_and_never_ends(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(3))
    source = source_of(tmp_path, file="x.npz", loop=True)
    source.open()
    readings = [source.read(0.1) for _ in range(3)]
    assert [reading.gap for reading in readings if reading] == [False, True, True]
    times = [reading.time_s for reading in readings if reading]
    assert np.diff(times).tolist() == pytest.approx([0.003, 0.003])
    assert not source.ended


def test_a_loop_keeps_real_time_over_its_seams(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(130))  # 130 ms: two whole batches of 50 ms and a shorter one
    clock = FakeTime()
    source = source_of(tmp_path, clock, file="x.npz", speed=1.0, loop=True)
    source.open()
    readings = []
    while clock.now_s < 51.0:
        readings += [reading for reading in [source.read(0.01)] if reading]
    count = sum(len(reading.samples) for reading in readings)
    assert count == pytest.approx(1000, abs=60)
    assert [bool(reading.samples[0, 0] == 0) for reading in readings[1:]] == [reading.gap for reading in readings[1:]]
    samples = np.cumsum([0, *(len(reading.samples) for reading in readings[:-1])])
    assert [reading.time_s for reading in readings] == pytest.approx((50.0 + samples / 1000).tolist())
    assert source.started_s == 50.0


def write_bad(folder: Path) -> None:
    np.savez(folder / "two.npz", first=np.zeros(3), second=np.zeros(3))
    np.savez(folder / "cube.npz", a=np.zeros((2, 2, 2)))
    np.savez(folder / "text.npz", a=np.array(["x"]))
    np.savez(folder / "nan.npz", a=np.array([1.0, np.nan]))
    np.savez(folder / "empty.npz", a=np.zeros(0))
    np.savez(folder / "pickle.npz", a=np.array([{}], object))
    good = (folder / "two.npz").read_bytes()
    (folder / "cut.npz").write_bytes(good[: len(good) // 2])
    (folder / "not.npz").write_bytes(b"hello")
    (folder / "not.wav").write_bytes(b"RIFF1234WAVE")
    (folder / "bad.csv").write_text("a,b\n1,2\n3,x\n")
    (folder / "ragged.csv").write_text("1,2\n3\n")
    (folder / "empty.csv").write_text("")
    (folder / "binary.csv").write_bytes(b"\xff\xfe\x00")
    (folder / "x.txt").write_text("1")
    (folder / "ok.csv").write_text("a,b\n1,2\n")


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"file": "none.csv"}, TargetNotFoundError, "sources.a.file: "),
        ({"file": "x.txt"}, ConfigError, "sources.a.file: expected a .npz, .csv or .wav file"),
        ({"file": "two.npz"}, ConfigError, "sources.a.array: expected the name of one array"),
        ({"file": "two.npz", "array": "secnd"}, ConfigError, "did you mean 'second'?"),
        ({"file": "ok.csv", "array": "x"}, ConfigError, "sources.a.array: only .npz files"),
        ({"file": "ok.csv", "columns": ("c",)}, InputError, "there is no column 'c'"),
        ({"file": "ok.csv", "columns": (2,)}, InputError, "expected numbers below 2, got 2"),
        ({"file": "ok.csv", "rate_hz": None}, ConfigError, "sources.a.rate_hz: this key is missing"),
        ({"file": "cube.npz"}, InputError, "expected the shape [n] or [n, channels], got [2, 2, 2]"),
        ({"file": "text.npz"}, InputError, "expected numbers, got the dtype <U1"),
        ({"file": "pickle.npz"}, InputError, "expected numbers, got the dtype object"),
        ({"file": "nan.npz"}, ConfigError, "row 1 of nan.npz has one that is not"),
        ({"file": "empty.npz"}, ConfigError, "holds no samples"),
        ({"file": "cut.npz", "array": "first"}, InputError, "not a readable .npz file"),
        ({"file": "not.npz"}, InputError, "not a readable .npz file"),
        ({"file": "not.wav"}, InputError, "not a PCM wav file"),
        ({"file": "bad.csv"}, InputError, "could not convert string 'x'"),
        ({"file": "ragged.csv"}, InputError, "ragged.csv"),
        ({"file": "empty.csv"}, EdgeError, "empty.csv"),
        ({"file": "binary.csv"}, InputError, "not a text file"),
    ],
)
def test_a_recording_that_cannot_be_used_is_named(
    tmp_path: Path, options: dict[str, object], kind: type[EdgeError], message: str
) -> None:
    write_bad(tmp_path)
    with pytest.raises(kind) as caught:
        source_of(tmp_path, **options)
    assert message in caught.value.message
    assert caught.value.message.startswith(str(tmp_path / "p.toml"))


def test_a_header_that_claims_too_much_allocates_nothing(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
    (tmp_path / "x.npy").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"8192\.0 GiB; at most 1\.0 GiB"):
        read_npy(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", buffer.getvalue())
    with pytest.raises(InputError, match="at most"):
        source_of(tmp_path, file="x.npz")


def test_fortran_order_keeps_its_meaning(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(6).reshape(2, 3))
    np.save(tmp_path / "x.npy", array)
    assert read_npy(tmp_path / "x.npy").tolist() == array.tolist()

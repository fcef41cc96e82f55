"""Ten thousand damaged inputs for each parser: it reads them or raises what it documents, nothing else."""

import functools
import struct
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest

from tfrecords_tools import jpeg, record_file, schema
from tfrecords_tools.datasets import csv, hmdb51, thumos14, ucf101

_LABELS = ("Archery", "HandstandPushups", "YoYo")
_RECORD = schema.VideoRecord(
    example_id="wave/straße", media_id="straße", data_path="wave/straße.avi", label_indices=(1, 0),
    label_strings=("wave", "jump"), group="film", height=16, width=24, frame_rate=25.0, frames=(b"abc", b"de", b""),
    frame_timestamps=(0, 40000, 80000), flow=(b"f", b"g"), flow_timestamps=(0, 40000), stack_starts=(0, 0, 0),
    segment_starts=(5,), segment_ends=(7,), segment_label_indices=(1,), segment_label_strings=("wave",),
)  # fmt: skip

_INPUTS = 10_000


def _mutate(data: bytes, random: Random) -> bytes:
    """Up to five edits of up to six bytes each."""
    for _ in range(random.randint(1, 5)):
        at, new = random.randint(0, len(data)), random.randbytes(random.randint(0, 6))
        kind = random.choice(["set", "insert", "delete", "repeat"])
        if kind == "set":
            data = data[:at] + new + data[at + len(new) :]
        elif kind == "insert":
            data = data[:at] + new + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + len(new) :]
        else:
            data = data[:at] + data[max(0, at - 8) :]
    return data


def _fuzz(parse, data: bytes, errors) -> None:
    # Random numbers and no hypothesis: it costs fifty times as much as the parsers do.
    for seed in range(_INPUTS):
        damaged = _mutate(data, Random(seed))
        try:
            parse(damaged)
        except errors:
            pass
        except BaseException as error:
            raise AssertionError(f"seed {seed}, {damaged!r}: {error!r}") from error


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)  # a file that is truncated and written anew is flushed to disk by ext4
    path.write_bytes(data)


def test_records():
    _fuzz(schema.deserialise, schema.serialise(_RECORD), ValueError)


def test_jpegs():
    plane = np.random.default_rng(0).integers(0, 256, (16, 24), np.uint8)
    image = cv2.imencode(".jpg", plane)[1].tobytes()

    def parse(data):
        jpeg.read_size(data)
        jpeg.join(data, data)
        jpeg.join(image, data)

    _fuzz(parse, image, jpeg.JpegError)


def test_record_files(tmp_path):
    path = tmp_path / "x.tfrecord"
    with record_file.RecordWriter(path) as file:
        file.write([b"one", b" record"])
        file.write([bytes(40)])

    def parse(data):
        _write(path, data)
        for record in record_file.read(path):
            assert len(record) <= len(data)

    _fuzz(parse, path.read_bytes(), record_file.RecordFileError)


@pytest.mark.parametrize("length", [0, 5, 2**63, 2**64 - 1])
def test_a_length_that_is_right_by_its_checksum(length, tmp_path):
    import google_crc32c

    packed = struct.pack("<Q", length)
    (tmp_path / "x").write_bytes(packed + record_file._masked(google_crc32c.value(packed)) + b"1234")
    with pytest.raises(record_file.RecordFileError):
        list(record_file.read(tmp_path / "x"))


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (hmdb51.read_split_file, "#1 & 2_wave_0.avi 1 \r\na b\t2\nc.avi  0\n"),
        (ucf101.read_class_index, "1 Archery\r\n2 HandstandPushups\r\n3 YoYo\r\n"),
        (
            functools.partial(ucf101.read_list, labels=_LABELS),
            "Archery/v_Archery_g08_c01.avi 1\nYoYo/v_YoYo_g1_c1.avi\n",
        ),
        (csv.read_rows, 'path,label,split,group\na/one.mp4,run;jump,train,x\n"b/a, b.avi",run,test,\n'),
    ],
    ids=["hmdb51", "classInd", "ucf101", "csv"],
)
def test_lists(parse, text, tmp_path):
    path = tmp_path / "list.txt"

    def read(data):
        _write(path, data)
        parse(path)

    _fuzz(read, text.encode(), ValueError)


def test_segments(tmp_path):
    folder = tmp_path / "temporal_annotations_test"
    folder.mkdir()

    def read(data):
        _write(folder / "YoYo_test.txt", data)
        thumos14.read_segments(Path(tmp_path), _LABELS)

    _fuzz(read, b"video_test_0000001  20.0 24.5\nvideo_test_0000001  3 4.0\n", ValueError)

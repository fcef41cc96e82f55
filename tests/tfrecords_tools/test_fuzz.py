"""Ten thousand damaged inputs for each parser: it reads them or raises what it documents, nothing else."""

import functools
import struct
from pathlib import Path

import cv2
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tfrecords_tools import jpeg, record_file, schema
from tfrecords_tools.datasets import csv, hmdb51, thumos14, ucf101

pytestmark = pytest.mark.slow

_LABELS = ("Archery", "HandstandPushups", "YoYo")
_RECORD = schema.VideoRecord(
    example_id="wave/straße", media_id="straße", data_path="wave/straße.avi", label_indices=(1, 0),
    label_strings=("wave", "jump"), group="film", height=16, width=24, frame_rate=25.0, frames=(b"abc", b"de", b""),
    frame_timestamps=(0, 40000, 80000), flow=(b"f", b"g"), flow_timestamps=(0, 40000), stack_starts=(0, 0, 0),
    segment_starts=(5,), segment_ends=(7,), segment_label_indices=(1,), segment_label_strings=("wave",),
)  # fmt: skip

_EDIT = st.tuples(
    st.sampled_from(["set", "insert", "delete", "repeat"]), st.floats(0, 1, exclude_max=True), st.binary(max_size=6)
)


def _mutate(data: bytes, edits) -> bytes:
    for kind, place, new in edits:
        at = int(place * len(data))
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
    @hypothesis.settings(
        max_examples=10_000, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(st.lists(_EDIT, min_size=1, max_size=5))
    def check(edits):
        try:
            parse(_mutate(data, edits))
        except errors:
            pass

    check()


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
        path.write_bytes(data)
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
        path.write_bytes(data)
        parse(path)

    _fuzz(read, text.encode(), ValueError)


def test_segments(tmp_path):
    folder = tmp_path / "temporal_annotations_test"
    folder.mkdir()

    def read(data):
        (folder / "YoYo_test.txt").write_bytes(data)
        thumos14.read_segments(Path(tmp_path), _LABELS)

    _fuzz(read, b"video_test_0000001  20.0 24.5\nvideo_test_0000001  3 4.0\n", ValueError)

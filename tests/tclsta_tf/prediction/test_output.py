import csv
import io
import json
import pathlib

import numpy as np
import pytest

from tclsta_tf.prediction import answer, output, time_line

LABELS = ("a, b", 'say "c"', "d")


@pytest.fixture
def prediction():
    line = time_line.TimeLine(
        starts=np.array([0.0, 1.0]),
        ends=np.array([1.0, 1.5]),
        scores=np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.5]], np.float32),
        frames=np.array([5, 12]),
        fields=np.array([5, 12]),
        speeds=np.zeros(2, np.float32),
        attention={},
    )
    outputs = {
        "static_spatial_attention": np.ones((2, 3, 3), np.float32),
        "motion_temporal_attention": np.array([0.25, 0.75]),
    }
    return answer.Prediction(
        path=pathlib.Path("in, out/a.avi"),
        labels=LABELS,
        scores=np.array([0.25, 0.125, 0.5], np.float32),
        positions=np.array([5, 10]),
        timestamps=np.array([0.5, 1.0]),
        outputs=outputs,
        frames=np.zeros((2, 4, 4, 3), np.uint8),
        flow=np.zeros((2, 4, 4, 2), np.uint8),
        num_frames=15,
        frame_rate=10.0,
        timeline=line,
    )


def test_json_holds_everything_but_pictures(prediction):
    lines = output.Writer("json", LABELS, 2)
    assert lines.header() == ""
    text = lines.video(prediction)
    assert text.count("\n") == 1 and text.endswith("\n")
    assert json.loads(text) == {
        "path": "in, out/a.avi",
        "label": "d",
        "score": 0.5,
        "top": [{"label": "d", "score": 0.5}, {"label": "a, b", "score": 0.25}],
        "scores": {"a, b": 0.25, 'say "c"': 0.125, "d": 0.5},
        "num_frames": 15,
        "frame_rate": 10.0,
        "seconds_of_video": 1.5,
        "seconds": [0.5, 1.0],
        "motion_temporal_attention": [0.25, 0.75],
        "timeline": [
            {
                "start": 0.0,
                "end": 1.0,
                "label": 'say "c"',
                "score": pytest.approx(0.7),
                "top": [
                    {"label": 'say "c"', "score": pytest.approx(0.7)},
                    {"label": "d", "score": pytest.approx(0.2)},
                ],
            },
            {
                "start": 1.0,
                "end": 1.5,
                "label": "a, b",
                "score": 0.5,
                "top": [{"label": "a, b", "score": 0.5}, {"label": "d", "score": 0.5}],
            },
        ],
    }
    assert "timeline" not in json.loads(lines.video(prediction, with_timeline=False))


def _rows(text):
    return list(csv.reader(io.StringIO(text)))


def test_csv_has_a_row_a_video_or_a_row_a_step_and_quotes(prediction):
    lines = output.Writer("csv", LABELS, 2)
    assert '"say ""c"""' in lines.header()
    header, row = _rows(lines.header() + lines.video(prediction, with_timeline=False))
    assert header == ["path", "start", "end", "label", "score", *LABELS]
    assert row == ["in, out/a.avi", "0.000", "1.500", "d", "0.500000", "0.250000", "0.125000", "0.500000"]
    first, second = _rows(lines.video(prediction))
    assert first[:5] == ["in, out/a.avi", "0.000", "1.000", 'say "c"', "0.700000"]
    assert second[1:4] == ["1.000", "1.500", "a, b"]


def test_text_is_a_table(prediction):
    lines = output.Writer("text", LABELS, 2).video(prediction).splitlines()
    assert lines[:3] == ["in, out/a.avi", "   0.500  d", "   0.250  a, b"]
    assert lines[3:] == [
        '    0:00.0 -   0:01.0   0.700 say "c"   0.200 d',
        "    0:01.0 -   0:01.5   0.500 a, b   0.500 d",
    ]


def test_a_camera_has_lines_and_a_mean_that_says_what_it_is():
    scores = np.array([0.25, 0.125, 0.5])
    lines = output.Writer("json", LABELS, 1)
    moment = json.loads(lines.moment("camera 0", 59.96, 61.0, scores))
    assert moment == {
        "path": "camera 0", "start": 59.96, "end": 61.0, "label": "d", "score": 0.5,
        "top": [{"label": "d", "score": 0.5}],
    }  # fmt: skip
    mean = json.loads(lines.mean("camera 0", 61.0, scores))
    assert mean["whole_video"] == "mean of windows" and mean["scores"]["a, b"] == 0.25
    text = output.Writer("text", LABELS, 1)
    assert text.moment("camera 0", 59.96, 61.0, scores) == "    1:00.0 -   1:01.0   0.500 d\n"
    assert text.mean("camera 0", 61.0, scores).startswith("camera 0, mean of the windows of 61.0 s\n")
    assert _rows(output.Writer("csv", LABELS, 1).moment("camera 0", 0, 1, scores))[0][3] == "d"

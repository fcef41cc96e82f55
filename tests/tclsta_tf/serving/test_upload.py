"""Uploads: an answer that is predict's, and files that are none, too large, or made to break a decoder."""

import concurrent.futures
import pathlib
import tempfile
import time

import cv2
import numpy as np
import pytest

import tclsta_tf

VIDEO = {"Content-Type": "video/avi"}


@pytest.fixture(scope="module")
def classifier(exported):
    return tclsta_tf.load(exported)


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Temporary files of the server are gone after each test."""
    yield
    deadline = time.monotonic() + 5
    while left := list(pathlib.Path(tempfile.gettempdir()).glob("tclsta-upload-*")):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def send(http, server, data, **parameters):
    return http.post(f"{server.model}:upload", content=data, headers=VIDEO, params=parameters)


def test_an_upload_is_answered_as_predict_answers(server, http, video, classifier):
    response = send(http, server, video.read_bytes(), file_name="clip <b>.avi", top=2)
    assert response.status_code == 200, response.text
    answer, expected = response.json(), classifier.classify(video)
    np.testing.assert_allclose(answer["scores"], expected.scores, rtol=1e-5, atol=1e-6)
    assert answer["label"] == expected.top(1)[0][0] and len(answer["top"]) == 2
    assert answer["file_name"] == "clip <b>.avi" and "pictures" not in answer
    np.testing.assert_allclose(answer["seconds"], expected.timestamps)
    for stream in ("static", "motion"):
        np.testing.assert_allclose(
            answer["attention"][stream]["temporal"], expected.outputs[f"{stream}_temporal_attention"], rtol=1e-4
        )


def test_pictures_are_pictures(server, http, video, card):
    import base64

    pictures = send(http, server, video.read_bytes(), pictures="true").json()["pictures"]
    assert set(pictures) == {"frames", "flow", "heat"} and set(pictures["heat"]) == {"static", "motion"}
    for series in (pictures["frames"], pictures["flow"], *pictures["heat"].values()):
        assert len(series) == card["num_frames"]
        for address in series:
            data = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
            assert cv2.imdecode(data, cv2.IMREAD_UNCHANGED) is not None


def test_a_body_without_its_length_is_taken(server, http, video):
    data = video.read_bytes()
    pieces = (data[i : i + 1000] for i in range(0, len(data), 1000))
    assert http.post(f"{server.model}:upload", content=pieces, headers=VIDEO).status_code == 200


@pytest.mark.parametrize(("frames", "status"), [(1, 400), (2, 200)])
def test_one_frame_is_no_video_and_two_are(server, http, tmp_path, write_video, moving_texture, frames, status):
    write_video(tmp_path / "short.avi", moving_texture(frames, (1, 0), 0))
    response = send(http, server, (tmp_path / "short.avi").read_bytes())
    assert response.status_code == status, response.text
    if status == 400:
        assert response.json() == {"error": "a video must have at least 2 frames. Received: 1"}
    else:
        assert response.json()["video"]["frames"] == frames


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "0 bytes"),
        (b"this is not a video" * 100, "not a video"),
        (b"RIFF\x00\x10\x00\x00AVI LIST", "truncated"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(16), "video"),
        (b"\x1aE\xdf\xa3" + bytes(1000), "video"),
        (b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n", "video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "video"),
    ],
)
def test_what_is_no_video_gets_one_line(server, http, assert_refused, data, part):
    response = send(http, server, data)
    assert_refused(response, 400, part)
    assert "tclsta-upload" not in response.text


def test_other_types_and_names_with_paths_are_refused(server, http, assert_refused, video):
    data = video.read_bytes()
    form = http.post(f"{server.model}:upload", files={"file": ("clip.avi", data)})
    assert_refused(form, 415, "Content-Type", "multipart/form-data")
    for name in ("../../etc/passwd", "/etc/passwd", "a\\b", "..", "a\nb", "x" * 300):
        assert_refused(send(http, server, data, file_name=name), 400, "file_name")
    assert_refused(send(http, server, data, top=0), 400, "top")


def avi(write_video, path, num_frames=8, height=48, width=64):
    write_video(path, np.zeros((num_frames, height, width, 3), np.uint8))
    return bytearray(path.read_bytes())


def test_a_header_of_ten_hours_is_refused(server, http, assert_refused, tmp_path, write_video):
    data = avi(write_video, tmp_path / "a.avi")
    place = data.index(b"strh")  # size, type, handler, flags, priority, language, initial, scale, rate, start, length
    data[place + 8 + 32 : place + 8 + 36] = (36000 * 10).to_bytes(4, "little")
    assert_refused(send(http, server, bytes(data)), 413, "36000 s")


def test_too_many_frames_and_pixels_are_refused(server, http, assert_refused, tmp_path, write_video):
    data = avi(write_video, tmp_path / "a.avi", num_frames=301)
    assert_refused(send(http, server, bytes(data)), 413, "300 frames")
    data = avi(write_video, tmp_path / "b.avi", 2, 1008, 1008)
    assert_refused(send(http, server, bytes(data)), 413, "1000000 pixels", "1008x1008")
    assert_refused(send(http, server, bytes(9 * 2**20)), 413, "8388608 bytes")


def test_frames_larger_than_their_header_says_are_refused(server, http, assert_refused, tmp_path, write_video):
    """Motion JPEG whose frames claim 65,500 x 65,500 pixels in a file of 64 x 48."""
    data = avi(write_video, tmp_path / "a.avi")
    place = 0
    while (place := data.find(b"\xff\xc0", place)) >= 0:
        data[place + 5 : place + 9] = (65500).to_bytes(2, "big") * 2
        place += 9
    before = server.rss()
    response = send(http, server, bytes(data))
    assert response.status_code in (400, 413) and set(response.json()) == {"error"}, response.text
    assert server.rss() < before + 100 * 2**20


def test_damaged_videos_neither_break_nor_grow_the_server(server, http, video):
    random = np.random.default_rng(0)
    data = video.read_bytes()
    for _ in range(6):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), 40):
            damaged[place] = random.integers(256)
        response = send(http, server, bytes(damaged))
        assert response.status_code in (200, 400, 413), response.text
    before = server.rss()
    for _ in range(6):
        send(http, server, data[: len(data) // 2])
    assert server.rss() < before + 100 * 2**20
    assert send(http, server, data).status_code == 200


def test_a_crowd_of_uploads_is_answered_or_sent_away(server, http, video, assert_refused):
    data = video.read_bytes()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        responses = list(pool.map(lambda _: send(http, server, data), range(10)))
    statuses = [response.status_code for response in responses]
    assert set(statuses) == {200, 429}, statuses
    refused = responses[statuses.index(429)]
    assert_refused(refused, 429)
    assert int(refused.headers["retry-after"]) > 0
    scores = [tuple(response.json()["scores"]) for response in responses if response.status_code == 200]
    assert len(set(scores)) == 1
    assert 'tclsta_requests_in_work{kind="upload"} 0.0' in http.get(f"{server.url}/metrics").text

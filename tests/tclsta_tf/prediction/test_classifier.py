"""The answer of a file, an array, a window: equal to the records' path, whatever the length, in bounded memory."""

import concurrent.futures
import gc
import tracemalloc

import numpy as np
import pytest

import tclsta_tf
from tclsta_tf.prediction import clips, limits, streaming, windows
from tfrecords_tools import video, writer


@pytest.mark.parametrize("num_frames", [1, 2, 5, 11, 40, 83])
def test_the_whole_video_equals_the_record(model, moving_texture, straightforward, num_frames):
    frames = moving_texture(num_frames, (1, 0), seed=num_frames)
    prediction = model.classify(frames, frame_rate=10.0, window=1.5, step=0.7)
    expected = straightforward(model, frames)
    np.testing.assert_allclose(prediction.scores, expected["scores"], atol=1e-6)
    for name, value in prediction.outputs.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)
    assert prediction.num_frames == num_frames and prediction.seconds == pytest.approx(num_frames / 10)


@pytest.mark.parametrize(("window", "step"), [(1.5, 0.7), (0.4, 1.0), (2.0, 0.1), (0.1, 0.5)])
def test_each_window_equals_the_record_of_its_frames(model, moving_texture, straightforward, window, step):
    frames = moving_texture(43, (1, 1), seed=5)
    line = model.classify(frames, frame_rate=10.0, window=window, step=step).timeline
    size = round(window * 10)
    assert len(line) == np.ceil(4.3 / step - 1e-6) and line.starts[0] == 0 and line.ends[-1] == pytest.approx(4.3)
    np.testing.assert_allclose(line.starts[1:], line.ends[:-1])
    for index, (scores, maps) in enumerate(zip(line.scores, line.attention["static"], strict=True)):
        first = min(max(round((index + 0.5) * step * 10 - size / 2), 0), 43 - size)
        expected = straightforward(model, frames[first : first + size])
        np.testing.assert_allclose(scores, expected["scores"], atol=1e-6)
        positions = first + np.arange(1, 5) * size // 5
        middle = 10 * (line.starts[index] + line.ends[index]) / 2
        nearest = positions.tolist().index(line.frames[index])
        assert abs(positions[nearest] - middle) <= np.abs(positions - middle).min() + 1e-6  # two may be as near
        np.testing.assert_allclose(maps, expected["static_spatial_attention"][nearest], atol=1e-5)


def test_records_of_few_positions_are_met_too(sparse_model, moving_texture, straightforward):
    frames = moving_texture(50, (1, 0), seed=2)
    prediction = sparse_model.classify(frames, frame_rate=10.0, window=3.0, step=2.0)
    np.testing.assert_allclose(prediction.scores, straightforward(sparse_model, frames)["scores"], atol=1e-6)
    np.testing.assert_allclose(
        prediction.timeline.scores[0], straightforward(sparse_model, frames[:30])["scores"], atol=1e-6
    )
    assert prediction.positions.max() < 6 and prediction.timestamps[-1] > 3.0


def test_a_video_no_longer_than_a_window_has_one_step_and_one_answer(model, moving_texture, monkeypatch):
    answers = []
    answer = type(model)._answer
    monkeypatch.setattr(type(model), "_answer", lambda *arguments: answers.append(answer(*arguments)) or answers[-1])
    prediction = model.classify(moving_texture(30, (1, 0), seed=1), frame_rate=10.0, window=3.0)
    line = prediction.timeline
    assert len(line) == 1 and (line.starts[0], line.ends[0]) == (0.0, 3.0)
    np.testing.assert_array_equal(line.scores[0], prediction.scores)
    assert prediction.top(1) == prediction.top(1, step=0) and len(answers) == 1


@pytest.mark.parametrize("window", [None, 3.0])
def test_every_field_is_computed_once_and_only_where_it_is_needed(model, moving_texture, monkeypatch, window):
    frames = moving_texture(200, (1, 0), seed=3)
    made = []
    make_flow = writer.methods.make_flow

    def counting(*arguments, **keywords):
        method = make_flow(*arguments, **keywords)
        return lambda grey: (made.append(len(grey) - 1), method(grey))[1]

    monkeypatch.setattr(writer.methods, "make_flow", counting)
    model.classify(frames, frame_rate=10.0, window=window)
    wanted = [windows.whole(200, 10.0), *(windows.centred(200, 10.0, window, 1.0) if window else ())]
    needed = [clips.plan(part, 4, "uniform", model.settings).fields.tolist() for part in wanted]
    assert sum(made) == len(set(sum(needed, []))) == (40 if window is None else 193)
    assert window is None or sum(map(len, needed)) > 2 * 193  # windows overlap
    assert max(made) <= writer.FLOW_BATCH


def _generated(num_frames):
    """Frames that are made when they are asked for, as often as they are."""

    class Frames:
        path, frame_rate, height, width = "generated", 10.0, 48, 64

        def __iter__(self):
            noise = np.random.default_rng(0).integers(0, 256, (48, 164, 3), np.uint8)
            return (np.ascontiguousarray(noise[:, index % 100 : index % 100 + 64]) for index in range(num_frames))

    return Frames()


def test_memory_does_not_grow_with_the_video(model, monkeypatch):
    held = {}
    add = streaming.ClipReader.add

    def spied(self, frame):
        done = add(self, frame)
        images = {id(image) for p in self._open for part in (p.frames, p.fields) for image in part.values() if image}
        held[key] = max(held.get(key, 0), len(images) + len(self._encoder._grey))
        return done

    monkeypatch.setattr(streaming.ClipReader, "add", spied)
    monkeypatch.setattr("tclsta_tf.prediction.opening.video.read_video", lambda path: _generated(key))
    peaks = {}
    for key in (10, 150, 1500):  # the first one warms up
        tracemalloc.start()
        model.classify("generated", window=4.0, step=2.0)
        peaks[key] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        gc.collect()
    # At one time three windows and the whole video: 4 + 40 images each, and a batch of grey frames.
    assert held[1500] <= 1.2 * held[150] and held[1500] <= 4 * 44 + writer.FLOW_BATCH + 1
    assert peaks[1500] < 1.3 * peaks[150] + 300_000  # a step's own answer is some kilobytes


def test_threads_get_the_answers_they_would_get_alone(model, moving_texture):
    films = [moving_texture(20 + 7 * index, (index, 1), seed=index) for index in range(4)]
    alone = [model.classify(film, frame_rate=10.0, window=1.0) for film in films]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda film: model.classify(film, frame_rate=10.0, window=1.0), films * 2))
    for first, second in zip(alone * 2, together, strict=True):
        np.testing.assert_allclose(first.scores, second.scores, atol=1e-6)
        np.testing.assert_allclose(first.timeline.scores, second.timeline.scores, atol=1e-6)


def test_a_model_of_frames_alone_needs_no_flow(static_model, moving_texture, monkeypatch):
    def forbidden(grey):
        raise AssertionError("flow was computed")

    monkeypatch.setattr(writer.methods, "make_flow", lambda *_, **__: forbidden)
    prediction = static_model.classify(moving_texture(30, (1, 0), seed=0), frame_rate=10.0, window=1.0)
    assert static_model.streams == ("static",)
    assert set(prediction.outputs) == {"static_scores", "static_spatial_attention", "static_temporal_attention"}
    assert prediction.flow.shape == (0, 48, 64, 2) and (prediction.timeline.fields == -1).all()
    assert set(prediction.timeline.attention) == {"static"}


def test_progress_reaches_the_end(model, moving_texture):
    told = []
    model.classify(
        moving_texture(35, (1, 0), seed=0), frame_rate=10.0, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(1.0, 3.5), (2.0, 3.5), (3.0, 3.5), (3.5, 3.5)]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"max_frames": 20}, "more frames than the limit of 20"),
        ({"max_seconds": 2.0}, "longer than the limit of 2 seconds"),
        ({"max_pixels": 3000}, "64x48 pixels exceed the limit of 3000"),
    ],
)
def test_limits_end_the_reading_at_once(model, tmp_path, write_video, moving_texture, monkeypatch, limit, message):
    write_video(tmp_path / "a.avi", moving_texture(40, (1, 0), seed=0))
    read = []
    decode = video.VideoFile.__iter__
    monkeypatch.setattr(video.VideoFile, "__iter__", lambda self: (read.append(1) or f for f in decode(self)))
    with pytest.raises(video.VideoError, match=f"a.avi: it.*{message}"):
        model.classify(tmp_path / "a.avi", limits=limits.Limits(**limit))
    assert len(read) <= 21
    model.classify(tmp_path / "a.avi", limits=limits.Limits(max_frames=40, max_seconds=4.0, max_pixels=64 * 48))


def test_an_endless_video_is_refused_at_the_limit(model, monkeypatch):
    monkeypatch.setattr("tclsta_tf.prediction.opening.video.read_video", lambda path: _generated(10**12))
    with pytest.raises(video.VideoError, match="more frames than the limit of 100"):
        model.classify("endless", limits=limits.Limits(max_frames=100))


def test_a_video_that_changes_on_the_way_is_an_error(model, monkeypatch):
    lengths = iter([30, 20])
    frames = _generated(0)
    monkeypatch.setattr(type(frames), "__iter__", lambda self: iter(_generated(next(lengths))))
    monkeypatch.setattr("tclsta_tf.prediction.opening.video.read_video", lambda path: frames)
    with pytest.raises(video.VideoError, match="it had 30 frames and then 20"):
        model.classify("changing")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_text("not a video"), "it is not a video"),
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(model, tmp_path, make, message):
    make(tmp_path / "a.avi")
    with pytest.raises(video.VideoError, match=f"^the clip: .*{message}[^\n]*$"):
        model.classify(tmp_path / "a.avi", name="the clip")


def test_a_truncated_file_is_refused(model, tiny_videos, tmp_path):
    whole = next((tiny_videos.videos_dir / "jump").glob("*.avi")).read_bytes()
    (tmp_path / "a.avi").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(video.VideoError, match="truncated"):
        model.classify(tmp_path / "a.avi")


@pytest.mark.parametrize(
    ("what", "keywords", "message"),
    [
        (np.zeros((3, 48, 64), np.uint8), {"frame_rate": 10.0}, "must be a path or uint8"),
        (np.zeros((3, 48, 64, 3), np.uint8), {}, "`frame_rate` must be greater than 0"),
        (np.zeros((0, 48, 64, 3), np.uint8), {"frame_rate": 10.0}, "has no frames"),
        (np.zeros((3, 48, 64, 3), np.uint8), {"frame_rate": 10.0, "window": 0.0}, "`window` must be a number"),
        ("clip.avi", {"frame_rate": 10.0}, "`frame_rate` is for arrays"),
    ],
)
def test_arguments_are_checked(model, what, keywords, message):
    with pytest.raises(ValueError, match=message):
        model.classify(what, **keywords)


def test_a_camera_is_answered_by_what_lies_before_each_step(model, moving_texture, straightforward):
    frames = moving_texture(37, (1, 0), seed=4)
    given = []

    def live():
        for index, frame in enumerate(frames):
            given.append(index)
            yield frame

    answers = []
    for start, end, scores in model.watch(live(), 10.0, window=2.0, step=1.0):
        answers.append((start, end))
        assert len(given) == round(end * 10)  # at once: nothing waits for a batch
        last = round(end * 10)
        expected = straightforward(model, frames[max(0, last - 20) : last])["scores"]
        np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert answers == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]


def test_the_package_loads_a_model_that_answers(finished, tiny_videos):
    loaded = tclsta_tf.load(finished.workdir / "export" / "1")
    path = next((tiny_videos.videos_dir / "wave").glob("*1.avi"))
    prediction = loaded.classify(path)
    assert prediction.path == path and prediction.timeline is None and prediction.frame_rate == 10.0
    assert len(prediction.top(2)) == 2 and prediction.cropped(40).frames.shape == (4, 40, 40, 3)
    assert "serving_default" in loaded.signatures
    with pytest.raises(ValueError, match="needs a time line"):
        prediction.top(1, step=0)
    assert windows.DEFAULT_SECONDS == 4.0

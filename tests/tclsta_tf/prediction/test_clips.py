import numpy as np
import pytest

from tclsta_tf.prediction import clips, streaming, windows
from tfrecords_tools import codec, config, video


def _settings(**changes):
    return config.RecordSettings(**{"resize": "64x48", "flow": "dis", **changes})


def test_a_window_is_planned_like_a_video_that_ends_with_it():
    clip = clips.plan(windows.Window(100, 20), 3, "uniform", _settings())
    assert clip.frames.tolist() == [105, 110, 115]
    # 19 fields; the stacks of 10 that begin at 110 and 115 would reach over the end and begin at 109.
    assert clip.fields.tolist() == list(range(105, 119)) and clip.stack_starts.tolist() == [0, 4, 4]
    assert clips.Pending(clip).last_frame == 119


def test_without_flow_no_field_is_needed():
    assert not len(clips.plan(windows.Window(0, 20), 3, "uniform", _settings(), with_flow=False).fields)
    assert not len(clips.plan(windows.Window(7, 1), 3, "uniform", _settings()).fields)


def test_the_sampling_of_the_release(monkeypatch):
    clip = clips.plan(windows.Window(10, 20), 3, "release", _settings())
    assert clip.frames.tolist() == [14, 19, 24]  # i * floor(20 / 4), counted from 1


def test_images_are_shared_and_complete_clips_come_in_order(moving_texture):
    frames = moving_texture(40, (1, 0), seed=0)
    plans = [clips.plan(windows.Window(first, 20), 4, "uniform", _settings()) for first in (0, 5, 20)]
    reader = streaming.ClipReader(_settings(), "a", plans)
    done = [pending for frame in frames for pending in reader.add(frame)] + reader.finish()
    assert [pending.clip.window.first for pending in done] == [0, 5, 20] and reader.unfinished == 0
    first, second, _ = done
    shared = set(first.fields) & set(second.fields)
    assert len(shared) > 5 and all(first.fields[index] is second.fields[index] for index in shared)
    straight = codec.decode_frames([codec.encode_frame(frames[index]) for index in first.clip.frames]).numpy()
    np.testing.assert_array_equal(first.inputs(reader.size)["static"].numpy(), straight)


def test_a_clip_that_lacks_its_end_is_unfinished(moving_texture):
    plans = [clips.plan(windows.Window(0, 30), 4, "uniform", _settings())]
    reader = streaming.ClipReader(_settings(), "a", plans)
    assert not [pending for frame in moving_texture(20, (1, 0), seed=0) for pending in reader.add(frame)]
    assert reader.finish() == [] and reader.unfinished == 1


def test_a_prompt_reader_gives_a_clip_with_its_last_frame(moving_texture):
    plans = [clips.plan(windows.Window(first, 20), 4, "uniform", _settings()) for first in range(0, 20, 5)]
    for prompt, latest in ((True, 0), (False, 16)):
        reader = streaming.ClipReader(_settings(), "a", plans, prompt)
        late = [
            index - pending.last_frame
            for index, frame in enumerate(moving_texture(40, (1, 0), seed=0))
            for pending in reader.add(frame)
        ]
        assert max(late) <= latest and (prompt or max(late) > 0)


def test_frames_that_change_their_stored_size_are_an_error(moving_texture):
    settings = _settings(resize="short_side=48")
    plans = [clips.plan(windows.Window(0, 4), 2, "uniform", settings)]
    reader = streaming.ClipReader(settings, "a.avi", plans)
    reader.add(moving_texture(1, (0, 0), seed=0)[0])
    with pytest.raises(video.VideoError, match="a.avi: its frames change from 64x48 to 48x64"):
        reader.add(moving_texture(1, (0, 0), seed=0, height=64, width=48)[0])

import cv2
import numpy as np
import pytest

from tfrecords_tools import codec, config, schema, stacks, video, writer
from tfrecords_tools.flow import methods, opencv


def _settings(**changes) -> config.RecordSettings:
    return config.RecordSettings(**{"resize": "64x48", "flow": "dis", **changes})


def _stacks_from_video(frames: np.ndarray, positions: list[int]) -> np.ndarray:
    """Builds uint8 [k, H, W, 20] with plain loops: channels u1, v1, u2, v2, ..., through the codec field by field."""
    flow = opencv.dis(np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]))
    fields = [codec.decode_fields([codec.encode_flow(field)]).numpy()[0] for field in flow]
    stacks = []
    for position in positions:
        start = min(position, max(0, len(fields) - 10))
        chosen = [fields[min(start + i, len(fields) - 1)] for i in range(10)]
        stacks.append(np.concatenate(chosen, axis=-1))
    return np.stack(stacks)


def _stacks_from_record(record: schema.VideoRecord) -> np.ndarray:
    fields = codec.decode_fields(list(record.flow)).numpy()
    gathered = fields[stacks.stack_fields(record.stack_starts, len(fields))]  # [k, L, H, W, 2]
    return np.concatenate(list(np.moveaxis(gathered, 1, 0)), axis=-1)


@pytest.mark.parametrize("positions", [0, 1, 3, 10])
@pytest.mark.parametrize("num_frames", [2, 5, 17, 40])
def test_stacks_of_a_record_equal_stacks_built_from_the_video(positions, num_frames, moving_texture):
    frames = moving_texture(num_frames, (1, 0), seed=5)
    record = writer.make_record(frames, 25.0, _settings(positions=positions), writer.Description("a"))
    expected, fields, _ = stacks.sparse_layout(num_frames, positions)
    assert len(record.frames) == len(expected) and len(record.flow) == len(fields)
    np.testing.assert_array_equal(_stacks_from_record(record), _stacks_from_video(frames, expected.tolist()))
    stored = codec.decode_frames(list(record.frames)).numpy()
    straight = codec.decode_frames([codec.encode_frame(frames[i]) for i in expected]).numpy()
    np.testing.assert_array_equal(stored, straight)
    assert schema.deserialise(schema.serialise(record)) == record


def test_sparse_records_compute_only_the_flow_they_store(moving_texture, monkeypatch):
    pairs = []
    dis = opencv.dis
    monkeypatch.setattr(
        writer.methods, "make_flow", lambda method, **_: lambda grey: (pairs.append(len(grey) - 1), dis(grey))[1]
    )
    record = writer.make_record(
        moving_texture(100, (1, 0), seed=5), 25.0, _settings(positions=2), writer.Description("a")
    )
    assert sum(pairs) == len(record.flow) == 20
    assert max(pairs) <= writer.FLOW_BATCH


def test_frames_are_taken_one_by_one(moving_texture, counted_frames):
    stream = counted_frames(moving_texture(60, (1, 0), seed=5))
    record = writer.make_record(iter(stream), 25.0, _settings(), writer.Description("a"))
    assert len(record.frames) == 60
    assert 0 < stream.most < 60


def test_metadata_and_times(moving_texture):
    record = writer.make_record(
        moving_texture(3, (1, 0), seed=5),
        30.0,
        _settings(resize="short_side=96"),
        writer.Description("wave/a", "a", "wave/a.avi", (2,), ("wave",), "film"),
    )
    assert (record.height, record.width, record.frame_rate) == (96, 128, 30.0)
    assert record.frame_timestamps == (0, 33333, 66667) and record.flow_timestamps == (0, 33333)
    assert (record.example_id, record.media_id, record.data_path) == ("wave/a", "a", "wave/a.avi")
    assert (record.label_indices, record.label_strings, record.group) == ((2,), ("wave",), "film")


def test_flow_is_in_pixels_at_stored_resolution(moving_texture):
    frames = moving_texture(2, (3, 0), seed=5, height=96, width=128)
    record = writer.make_record(frames, 25.0, _settings(resize="256x96"), writer.Description("a"))
    stored = codec.decode_fields(list(record.flow)).numpy()[0, 16:-16, 40:-40]
    assert (stored[..., 0].mean() - 127.5) * 40 / 255 == pytest.approx(6.0, abs=0.4)  # Twice as wide: twice as fast.


def test_one_frame_has_no_flow(moving_texture):
    for positions in (0, 4):
        record = writer.make_record(
            moving_texture(1, (0, 0), seed=5), 25.0, _settings(positions=positions), writer.Description("a")
        )
        assert len(record.frames) == 1 and record.flow == () and record.stack_starts == (0,)


def test_no_frames_are_an_error():
    for positions in (0, 4):
        with pytest.raises(video.VideoError, match="no frames"):
            writer.make_record([], 25.0, _settings(positions=positions), writer.Description("a"))


def test_positions_refuse_an_iterator(moving_texture):
    with pytest.raises(ValueError, match="VideoFile where `positions`"):
        writer.make_record(
            iter(moving_texture(3, (0, 0), seed=5)), 25.0, _settings(positions=2), writer.Description("a")
        )


def test_a_changing_size_is_an_error_only_where_it_would_be_stored(moving_texture):
    frames = [*moving_texture(3, (1, 0), seed=5), *moving_texture(3, (1, 0), seed=5, height=64, width=64)]
    assert len(writer.make_record(frames, 25.0, _settings(), writer.Description("a")).frames) == 6
    with pytest.raises(video.VideoError, match="change from 43x32 to 32x32 pixels at frame 3"):
        writer.make_record(frames, 25.0, _settings(resize="short_side=32"), writer.Description("a"))


@pytest.mark.parametrize(("resize", "expected"), [("short_side=40", True), ("64x48", False)])
def test_flow_knows_whether_sizes_vary(resize, expected, monkeypatch):
    asked = []
    make_flow = methods.make_flow
    monkeypatch.setattr(methods, "make_flow", lambda name, **kind: (asked.append(kind), make_flow(name, **kind))[1])
    frames = np.zeros((2, 48, 64, 3), np.uint8)
    writer.make_record(frames, 25.0, config.RecordSettings(resize=resize, flow="dis"), writer.Description("x"))
    assert asked == [{"sizes_vary": expected}]

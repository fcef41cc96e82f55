import os
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest

from tfrecords_tools import codec, config, extraction, video, writer
from tfrecords_tools.flow import methods, quantise

HEIGHT, WIDTH = 48, 64
VIDEO = PurePosixPath("wave/one")


def _encode(image, suffix=".jpg", quality=95):
    return cv2.imencode(suffix, image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def write_extraction(root: Path, layout: str, frames: np.ndarray, flow: np.ndarray, path=VIDEO, base=1, padding=5,
                     suffix=".jpg"):  # fmt: skip
    """Writes RGB frames and flow in pixels as a tool would; gives the bytes of the images and `flow_dir`."""
    names = extraction.LAYOUTS[layout]
    flow_dir = root / "flow" if layout == "feichtenhofer" else root / "frames"
    planes = quantise.quantise(flow)
    images = [_encode(frame[..., ::-1], suffix) for frame in frames]
    components = [[_encode(plane, suffix) for plane in planes[..., i]] for i in range(2)]
    for folder, prefix, files in [(root / "frames", names.frames, images)] + [
        (flow_dir / folder, prefix, files) for (folder, prefix), files in zip(names.flow, components, strict=True)
    ]:
        (folder / path).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(files, base):
            (folder / path / f"{prefix}{number:0{padding}d}{suffix}").write_bytes(data)
    return images, components, str(flow_dir) if layout == "feichtenhofer" else ""


@pytest.fixture
def clip(moving_texture):
    """Eight frames and their seven flow fields."""
    frames = moving_texture(8, (2, 1), seed=3, height=HEIGHT, width=WIDTH)
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    return frames, methods.make_flow("dis")(grey)


def _read(root, layout="tsn", resize=f"{WIDTH}x{HEIGHT}", positions=0, **changes):
    settings = config.RecordSettings(resize=resize, positions=positions)
    description = writer.Description("wave/one", data_path=str(VIDEO))
    return extraction.make_record(root / "frames", config.ExtractionSettings(layout, **changes), settings, description)


@pytest.mark.parametrize("layout", config.LAYOUTS)
@pytest.mark.parametrize(("base", "padding"), [(0, 5), (1, 6), (1, 1)])
def test_images_are_taken_as_they_are(layout, base, padding, clip, tmp_path):
    images, components, flow_dir = write_extraction(tmp_path, layout, *clip, base=base, padding=padding)
    record = _read(tmp_path, layout, flow_dir=flow_dir, frame_rate=20.0)
    assert record.frames == tuple(images)
    assert (record.height, record.width, record.frame_rate) == (HEIGHT, WIDTH, 20.0)
    assert record.frame_timestamps == tuple(range(0, 400000, 50000))
    assert record.stack_starts == (0,) * 8
    stored = codec.decode_fields(list(record.flow)).numpy()
    for index, (u, v) in enumerate(zip(*components, strict=True)):
        for channel, data in enumerate((u, v)):
            expected = codec.decode_frames([data]).numpy()[0, ..., 0]
            np.testing.assert_array_equal(stored[index, ..., channel], expected)
    inner = quantise.dequantise(stored)[:, 10:-10, 10:-10]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1, 2)), (2, 1), atol=0.3)


@pytest.mark.parametrize(
    ("layout", "surplus", "kept"),
    [("tsn", "", slice(1, 8)), ("denseflow", "", slice(0, 7)), ("feichtenhofer", "", slice(0, 7)),
     ("tsn", "last", slice(0, 7)), ("denseflow", "first", slice(1, 8))],
)  # fmt: skip
def test_as_many_fields_as_frames(layout, surplus, kept, clip, tmp_path):
    frames, _ = clip
    # Field i moves by i pixels everywhere, so that it can be told from the others.
    flow = np.broadcast_to(np.arange(8, dtype=np.float32)[:, None, None, None], (8, HEIGHT, WIDTH, 2))
    _, _, flow_dir = write_extraction(tmp_path, layout, frames, flow)
    record = _read(tmp_path, layout, flow_dir=flow_dir, surplus_flow=surplus)
    speeds = quantise.dequantise(codec.decode_fields(list(record.flow)).numpy()).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(speeds, np.arange(8)[kept], atol=0.1)


def test_sparse_records_read_only_what_they_store(moving_texture, tmp_path):
    frames = moving_texture(60, (0, 0), seed=1, height=HEIGHT, width=WIDTH)
    images, _, _ = write_extraction(tmp_path, "denseflow", frames, np.zeros((59, HEIGHT, WIDTH, 2), np.float32))
    unused = tmp_path / "frames" / VIDEO / "img_00005.jpg"
    unused.write_bytes(b"damaged, and not looked at")
    record = _read(tmp_path, "denseflow", positions=2)
    assert record.frames == (images[20], images[40])
    assert len(record.flow) == 20 and record.stack_starts == (0, 10)
    with pytest.raises(video.VideoError, match="img_00005.jpg: it is not a JPEG"):
        _read(tmp_path, "denseflow")


def test_one_frame_without_flow(moving_texture, tmp_path):
    frames = moving_texture(1, (0, 0), seed=1, height=HEIGHT, width=WIDTH)
    write_extraction(tmp_path, "tsn", frames, np.zeros((0, HEIGHT, WIDTH, 2), np.float32))
    assert _read(tmp_path).flow == ()


def test_resizing_scales_motion(clip, tmp_path):
    write_extraction(tmp_path, "tsn", *clip)
    with pytest.raises(video.VideoError, match="img_00001.jpg is 64x48 pixels, not 128x48: .*--resize.*--reencode"):
        _read(tmp_path, resize="128x48")
    record = _read(tmp_path, resize="128x48", reencode=True)
    assert (record.height, record.width) == (48, 128)
    flow = quantise.dequantise(codec.decode_fields(list(record.flow)).numpy())[:, 10:-10, 20:-20]
    np.testing.assert_allclose(np.median(flow, axis=(0, 1, 2)), (4, 1), atol=0.3)
    assert codec.decode_frames(list(record.frames)).shape == (8, 48, 128, 3)


def test_another_bound_is_converted(clip, tmp_path):
    frames, flow = clip
    write_extraction(tmp_path, "tsn", frames, flow * (20 / 8))  # So that bytes mean what they mean with a bound of 8.
    with pytest.raises(ValueError, match="`bound` must be 20.*--reencode.*Received: bound=8"):
        extraction.check(tmp_path / "frames", config.ExtractionSettings("tsn", bound=8.0))
    stored = codec.decode_fields(list(_read(tmp_path, bound=8.0, reencode=True).flow)).numpy()
    error = np.abs(quantise.dequantise(stored) - np.clip(flow, -8, 8))
    assert error.mean() < 0.1


@pytest.mark.parametrize("case", ["png", "odd height"])
def test_what_cannot_be_taken_as_it_is_needs_reencode(case, clip, tmp_path):
    frames, flow = clip
    if case == "odd height":
        frames, flow = frames[:, :45], flow[:, :45]
    write_extraction(tmp_path, "tsn", frames, flow, suffix=".png" if case == "png" else ".jpg")
    size = f"64x{frames.shape[1]}"
    with pytest.raises(video.VideoError, match="--reencode"):
        _read(tmp_path, resize=size)
    record = _read(tmp_path, resize=size, reencode=True)
    decoded = codec.decode_frames(list(record.frames)).numpy().astype(int)
    assert np.abs(decoded - frames).mean() < 5
    error = np.abs(quantise.dequantise(codec.decode_fields(list(record.flow)).numpy()) - flow)
    assert error.mean() < 0.1


def _rename(folder, old, new):
    os.rename(folder / old, folder / new)


def _truncate(file):
    file.write_bytes(file.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: [file.unlink() for file in f.glob("img_*")], r"there are no frames img_\*.jpg"),
        (lambda f: (f / "img_00003.jpg").unlink(), "number 3 is missing, img_00004.jpg follows"),
        (lambda f: (f / "flow_x_00007.jpg").unlink(), "u has 6 images and v 7"),
        (lambda f: [(f / f"flow_{c}_00007.jpg").unlink() for c in "xy"], r"8 frames must have 7 or 8.*there are 6"),
        (lambda f: [file.unlink() for file in f.glob("flow*")], r"8 frames must have 7 or 8 .*flow_x_\*.jpg"),
        (lambda f: [_rename(f, f"img_{i:05d}.jpg", f"img_{i + 1:05d}.jpg") for i in range(8, 0, -1)],
         "first file img_00002.jpg must have the number 0 or 1"),
        (lambda f: (f / "img_1.jpg").write_bytes((f / "img_00001.jpg").read_bytes()), "have the same number"),
        (lambda f: (f / "img_00002.jpg").write_bytes(b""), "img_00002.jpg: it is not a JPEG"),
        (lambda f: (f / "img_00002.jpg").write_bytes(_encode(np.zeros((50, 64, 3), np.uint8))), "is 64x50 pixels"),
        (lambda f: (f / "flow_y_00002.jpg").write_bytes(b"GIF89a"), "flow_y_00002.jpg: it is not a JPEG"),
        (lambda f: (f / "flow_y_00002.jpg").write_bytes(_encode(np.zeros((40, 64), np.uint8))), "is 64x40 pixels"),
        (lambda f: _truncate(f / "img_00004.jpg"), "1 of its images do not decode: img_00004.jpg"),
        (lambda f: _truncate(f / "flow_x_00004.jpg"), "flow_x_00004.jpg cannot be joined.*truncated"),
    ],
)  # fmt: skip
def test_damaged_extractions_are_named(damage, message, clip, tmp_path):
    write_extraction(tmp_path, "tsn", *clip)
    damage(tmp_path / "frames" / VIDEO)
    with pytest.raises(video.VideoError, match=message) as caught:
        _read(tmp_path)
    assert caught.value.path == "wave/one"


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("name", ["img_00004", "flow_y_00004"])
def test_truncated_images_are_not_filled_up(suffix, name, clip, tmp_path):
    write_extraction(tmp_path, "tsn", *clip, suffix=suffix)
    _truncate(tmp_path / "frames" / VIDEO / f"{name}{suffix}")
    with pytest.raises(video.VideoError, match=f"{name}{suffix} does not decode"):
        _read(tmp_path, resize="32x24", reencode=True)


def test_shifted_numbers_of_as_many_fields_are_refused(clip, tmp_path):
    frames, flow = clip
    write_extraction(tmp_path, "tsn", frames, np.concatenate([flow, flow[:1]]), base=0)
    folder = tmp_path / "frames" / VIDEO
    for number in range(7, -1, -1):
        _rename(folder, f"img_{number:05d}.jpg", f"img_{number + 1:05d}.jpg")
    with pytest.raises(video.VideoError, match="as many, and start at different numbers"):
        _read(tmp_path)


def test_settings_are_checked(tmp_path):
    (tmp_path / "frames").mkdir()
    with pytest.raises(ValueError, match="`flow_dir` must be the folder of the flow, and .*u does not exist"):
        extraction.check(tmp_path / "frames", config.ExtractionSettings("feichtenhofer", str(tmp_path)))
    with pytest.raises(ValueError, match="`layout` must be one of"):
        config.ExtractionSettings("mine")
    for name in ("bound", "frame_rate"):
        with pytest.raises(ValueError, match=f"`{name}` must be greater than 0"):
            config.ExtractionSettings("tsn", **{name: 0.0})

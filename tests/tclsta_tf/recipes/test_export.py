"""The exported model, asked in a process with TensorFlow alone and compared with what the run itself computes."""

import dataclasses
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.recipes import export, results
from tclsta_tf.serving import conversion
from tfrecords_tools import codec, video
from tfrecords_tools.flow import quantise, tvl1

SIZE = (64, 48)  # width, height of the records


@pytest.fixture(scope="session")
def exported(finished):
    return finished.workdir / "export" / "1"


@pytest.fixture(scope="session")
def loaded(exported):
    return tf.saved_model.load(str(exported))


@pytest.fixture(scope="session")
def raw_videos(finished, tiny_videos):
    """Raw frames of every test video in the order of the evaluation, at the stored size; uint8 [T, 48, 64, 3] each."""
    found = results.read_scores(finished.report_dir)
    paths = {entry.id: entry.path for shard in finished.manifest.shards for entry in shard.videos}
    files = [tiny_videos.videos_dir / paths[name] for name in found.videos.ids]
    return [np.stack([video.resize(frame, *SIZE[::-1]) for frame in video.read_video(file)]) for file in files]


def _export(finished, folder, **settings):
    return export.export(finished, folder, config.ExportConfig(**settings))


def test_raw_frames_are_answered_as_the_evaluation_answers_them(finished, loaded, raw_videos):
    """Not quite: the records' flow went through JPEG."""
    scores = results.read_scores(finished.report_dir).rows["TCLSTA"]
    for frames, expected in zip(raw_videos, scores, strict=True):
        found = loaded.signatures["serving_default"](frames=tf.constant(frames[np.newaxis]))
        np.testing.assert_allclose(found["scores"][0], expected, atol=0.02)


def test_raw_frames_equal_their_own_flow_computed_beforehand(loaded, raw_videos):
    frames = raw_videos[0]
    found = loaded.signatures["serving_default"](frames=tf.constant(frames[np.newaxis]))
    positions = found["positions"].numpy()[0]
    assert positions.tolist() == [i * len(frames) // 5 for i in (1, 2, 3, 4)]
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    fields = quantise.quantise(tvl1.tvl1_flow(grey[:-1], grey[1:]))
    starts = np.minimum(positions, len(fields) - 10)
    stacked = fields[starts[:, np.newaxis] + np.arange(10)].transpose(0, 2, 3, 1, 4).reshape(1, 4, *SIZE[::-1], 20)
    stored = codec.decode_frames(tf.constant([codec.encode_frame(frame) for frame in frames[positions]]))
    expected = loaded.signatures["precomputed"](frames=stored[tf.newaxis], flow=tf.constant(stacked))
    for name in set(expected) - {"labels"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_videos_of_a_batch_are_answered_as_alone(loaded, raw_videos):
    length = min(map(len, raw_videos))
    clips = np.stack([frames[:length] for frames in raw_videos[:3]])
    together = loaded.signatures["serving_default"](frames=tf.constant(clips))
    for index, clip in enumerate(clips):
        alone = loaded.signatures["serving_default"](frames=tf.constant(clip[np.newaxis]))
        np.testing.assert_allclose(together["scores"][index], alone["scores"][0], atol=1e-5)


def test_jpeg_frames_are_decoded_and_gaps_left_out(loaded, raw_videos):
    videos = [raw_videos[0], raw_videos[1][:7]]
    encoded = [[tf.io.encode_jpeg(frame, quality=95).numpy() for frame in frames] for frames in videos]
    longest = max(map(len, encoded)) + 2
    mask = np.zeros((2, longest), bool)
    strings = np.full((2, longest), b"no image", object)
    for row, images in enumerate(encoded):
        places = np.r_[0, 2 : len(images) + 1]  # a gap after the first frame
        mask[row, places] = True
        strings[row, places] = images
    found = loaded.signatures["jpeg_frames"](jpeg_frames=tf.constant(strings), mask=tf.constant(mask))
    for row, images in enumerate(encoded):
        whole = {"jpeg_frames": tf.constant([images]), "mask": tf.ones([1, len(images)], tf.bool)}
        expected = loaded.signatures["jpeg_frames"](**whole)
        np.testing.assert_allclose(found["scores"][row], expected["scores"][0], atol=1e-5)
        # Raw frames become the very same JPEGs, but their flow is that of the raw ones.
        raw = loaded.signatures["serving_default"](frames=tf.constant(videos[row][np.newaxis]))
        np.testing.assert_array_equal(raw["positions"], expected["positions"])
        np.testing.assert_allclose(raw["static_scores"], expected["static_scores"], atol=0.02)


def test_features_are_those_of_the_streams(finished, loaded, raw_videos):
    frames = tf.constant(raw_videos[0][np.newaxis])
    found = loaded.signatures["features"](frames=frames)
    model = export.assemble(finished)
    positions = found["positions"].numpy()[0]
    stored = codec.decode_frames(tf.constant([codec.encode_frame(frame) for frame in raw_videos[0][positions]]))
    expected = model.static(stored[tf.newaxis, :, 4:44, 12:52], training=False)
    np.testing.assert_allclose(found["static_frame_features"], expected["alpha"], rtol=1e-4, atol=1e-4)
    weighted = (found["motion_temporal_attention"][..., np.newaxis] * found["motion_frame_features"]).numpy()
    np.testing.assert_allclose(found["motion_features"], weighted.sum(axis=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("signature", ["serving_default", "jpeg_frames"])
def test_what_is_no_frame_is_an_error_of_the_request(loaded, signature):
    if signature == "serving_default":
        inputs = {"frames": tf.zeros([1, 0, 48, 64, 3], tf.uint8)}
    else:
        small = tf.io.encode_jpeg(tf.zeros([24, 32, 3], tf.uint8))
        inputs = {"jpeg_frames": small[tf.newaxis, tf.newaxis], "mask": tf.constant([[True]])}
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.signatures[signature](**inputs)


def test_the_model_of_frames_alone(finished, tmp_path, raw_videos):
    folder = _export(finished, tmp_path, motion="none")
    model = tf.saved_model.load(str(folder))
    names = {name: set(s.structured_input_signature[1]) for name, s in model.signatures.items()}
    assert names["precomputed"] == names["serving_default"] == {"frames"}
    scores = results.read_scores(finished.report_dir).rows["frame+STA"]
    for frames, expected in zip(raw_videos, scores, strict=True):
        found = model.signatures["serving_default"](frames=tf.constant(frames[np.newaxis]))
        np.testing.assert_allclose(found["scores"][0], expected, atol=0.02)
        assert not [name for name in found if "motion" in name or "collaborative" in name]
    card = json.loads((folder / "assets" / "model.json").read_text())
    assert card["streams"] == ["static"] and card["flow_in_graph"] is None and card["metrics"]["row"] == "frame+STA"


def test_frames_alone_need_no_motion_stream(finished, tmp_path):
    lonely = dataclasses.replace(finished, workdir=tmp_path / "run")
    lonely.workdir.mkdir()
    (lonely.workdir / "static").symlink_to(finished.part_dir("static"))
    assert _export(lonely, tmp_path / "e", motion="none").name == "1"
    with pytest.raises(ValueError, match="train --part=motion"):
        _export(lonely, tmp_path / "f")


@pytest.mark.parametrize("settings", [{"precision": "bfloat16"}, {"quantise": "int8"}])
def test_options_change_scores_little(finished, tmp_path, raw_videos, settings):
    frames = tf.constant(raw_videos[0][np.newaxis])
    scores = []
    for number, changes in enumerate([{}, settings]):
        folder = _export(finished, tmp_path / str(number), motion="none", **changes)
        model = tf.saved_model.load(str(folder))
        scores.append(model.signatures["serving_default"](frames=frames)["scores"].numpy())
    assert 0 < np.abs(scores[1] - scores[0]).max() < 0.05


@pytest.mark.slow
def test_without_xla_the_scores_are_the_same(finished, exported, loaded, tmp_path, raw_videos):
    folder = _export(finished, tmp_path, xla="none")
    frames = tf.constant(raw_videos[0][np.newaxis])
    expected = loaded.signatures["serving_default"](frames=frames)["scores"]
    found = tf.saved_model.load(str(folder)).signatures["serving_default"](frames=frames)["scores"]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    marked = [b"_XlaMustCompile\x12\x02(\x01" in (f / "saved_model.pb").read_bytes() for f in (exported, folder)]
    assert marked == [True, False]


def test_card_says_where_the_model_is_from(finished, exported):
    card = json.loads((exported / "assets" / "model.json").read_text())
    assert card["frame_size"] == [48, 64] and card["streams"] == ["static", "motion"]
    assert card["data"]["dataset"] == "hmdb51" and card["data"]["num_test_videos"] == 6
    measured = json.loads((finished.report_dir / "metrics.json").read_text())["results"]["TCLSTA"]
    assert card["metrics"]["overall_accuracy"] == measured["overall_accuracy"] and card["metrics"]["row"] == "TCLSTA"
    assert card["flags"] == json.loads(json.dumps(finished.config.to_json())) and card["git_revision"]
    text = (exported / "assets" / "MODEL_CARD.md").read_text()
    assert f"overall accuracy: {measured['overall_accuracy']:.4f}" in text and ", ".join(finished.labels) in text
    assert (exported / "assets" / "labels.txt").read_text().split() == list(finished.labels)
    (record,) = tf.data.TFRecordDataset(str(exported / "assets.extra" / "tf_serving_warmup_requests"))
    assert b"serving_default" in record.numpy()


def test_other_options_are_another_export(finished, tmp_path):
    first = export.export(finished, tmp_path, config.ExportConfig(motion="none"), keep_equal=True)
    again = export.export(finished, tmp_path, config.ExportConfig(motion="none"), keep_equal=True)
    other = export.export(finished, tmp_path, config.ExportConfig(motion="none", quantise="int8"), keep_equal=True)
    assert first == again and [first.name, other.name] == ["1", "2"]
    sizes = [sum(file.stat().st_size for file in (folder / "variables").iterdir()) for folder in (first, other)]
    assert sizes[1] < 0.6 * sizes[0]  # less on a network of useful size


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frame_size": "32x24"}, "must be that of the records, 64x48"),
        ({"tflite": True, "precision": "float16"}, "must be float32 with --tflite"),
        ({"onnx": True, "quantise": "int8"}, "must be none with --onnx"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_written(finished, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        _export(finished, tmp_path / "model", **settings)
    assert not (tmp_path / "model").exists()


def test_onnx_names_the_extra_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ValueError, match=r"`onnx` needs tf2onnx: pip install 'tclsta-tf\[onnx\]'$"):
        conversion.check(config.ExportConfig(onnx=True), "float32")


def _clip(raw_videos):
    frames = raw_videos[0][np.newaxis, :4, 4:44, 12:52]
    flow = np.random.default_rng(0).integers(100, 156, (1, 4, 40, 40, 20)).astype(np.uint8)
    return {"frames": np.ascontiguousarray(frames), "flow": flow}


def _ask_precomputed(folder, frames):
    return tf.saved_model.load(str(folder)).signatures["precomputed"](frames=tf.constant(frames))["scores"]


@pytest.mark.slow
def test_tensorflow_lite_answers_alike_and_in_a_quarter_of_the_bytes(finished, loaded, tmp_path, raw_videos):
    clip = _clip(raw_videos)
    expected = loaded.signatures["precomputed"](**{name: tf.constant(value) for name, value in clip.items()})
    content = _export(finished, tmp_path / "whole", tflite=True).with_name("1.tflite").read_bytes()
    found = tf.lite.Interpreter(model_content=content).get_signature_runner("precomputed")(**clip)
    assert set(found) == set(expected) - {"labels"}
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-4)
    sizes = []
    for stored in config.ExportConfig.__dataclass_fields__["quantise"].metadata["choices"]:
        folder = _export(finished, tmp_path / stored, motion="none", tflite=True, quantise=stored)
        content = folder.with_name("1.tflite").read_bytes()
        runner = tf.lite.Interpreter(model_content=content).get_signature_runner("precomputed")
        np.testing.assert_allclose(
            runner(frames=clip["frames"])["scores"], _ask_precomputed(folder, clip["frames"]), atol=0.02
        )
        sizes.append(len(content))
    assert sizes[1] < 0.4 * sizes[0]


@pytest.mark.slow
def test_onnx_answers_alike(finished, loaded, tmp_path, raw_videos):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed (make install-onnx)")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (make install-onnx)")
    clip = _clip(raw_videos)
    expected = loaded.signatures["precomputed"](**{name: tf.constant(value) for name, value in clip.items()})
    content = _export(finished, tmp_path, onnx=True).with_name("1.onnx").read_bytes()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, clip), strict=True))
    assert set(found) == set(expected) - {"labels"}
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_the_command_line_of_tensorflow_runs_it(exported, tmp_path, raw_videos):
    """`saved_model_cli run`, as the documentation shows it."""
    np.savez(tmp_path / "clip.npz", frames=raw_videos[0][np.newaxis])
    program = f"{sys.executable.removesuffix('python')}saved_model_cli"
    command = [program, "run", "--dir", str(exported), "--tag_set", "serve", "--signature_def", "serving_default"]
    command += ["--inputs", f"frames={tmp_path}/clip.npz[frames]", "--outdir", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    scores = np.load(tmp_path / "scores.npy")
    assert scores.shape == (1, 3) and np.isfinite(scores).all()

"""How many frames a second each part of the method takes on this machine (Table IX of the paper)."""

import json

import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.data import pipeline, rates
from tclsta_tf.fusion import adaptive_weights
from tclsta_tf.recipes import parts, train_collaborative
from tclsta_tf.recipes import run as run_lib
from tfrecords_tools import manifest

_VIDEOS = 4
_SECONDS = 3.0


def measure_speed(run: run_lib.Run) -> dict[str, float]:
    """Times each part on a few videos, those of the training part, and writes `<workdir>/speed.json`.

    Returns:
        `decode` (frames), `flow` (fields), `static` (frames through the stream), `motion` (stacks), `fusion` (frames of
        both streams' features through the collaborative network and Eq. (14)), and `all`: frames per second where each
        frame takes all of these one after the other.
    """
    file = run.workdir / "speed.json"
    if file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    subset = run.subset(run_lib.TRAIN)
    few = pipeline.select(subset.shards, {video.id for video in subset.videos[:_VIDEOS]})
    found = {
        "decode": rates.decode_rate(few, _SECONDS),
        "flow": rates.flow_rate(few, run.manifest.record.flow, _SECONDS),
        **{stream: _stream_rate(run, stream, few) for stream in config.STREAMS},
        "fusion": _fusion_rate(run),
    }
    found["all"] = 1 / sum(1 / value for value in found.values())
    found = {name: round(value, 2) for name, value in found.items()}
    manifest.write_atomically(file, json.dumps(found, indent=1) + "\n")
    return found


def _stream_rate(run: run_lib.Run, stream: str, few: pipeline.Subset) -> float:
    data = run.config.data
    infer = parts.make_inference(run, stream, parts.load(run, stream), data.test_frames, ("scores",))
    batch = next(iter(pipeline.video_batches(few, stream, data.test_frames, data.crop_size, _VIDEOS, data.sampling)))
    clips = batch["clips"]

    def classify(number: int) -> int:
        infer(clips)["scores"].numpy()
        return clips.shape[0] * clips.shape[1]

    return rates.rate(classify, _SECONDS)


def _fusion_rate(run: run_lib.Run) -> float:
    model, frames = parts.load(run, train_collaborative.PART), run.config.data.test_frames
    depths = {stream: parts.load(run, stream).connection_classifier.kernel.shape[0] for stream in config.STREAMS}
    features = {stream: tf.random.stateless_normal([_VIDEOS, frames, depths[stream]], [0, 0]) for stream in depths}
    weights = np.full([len(run.labels), 2], 0.5)
    network = tf.function(lambda inputs: model(inputs, training=False))

    def fuse(number: int) -> int:
        outputs = network(features)
        if "static_scores" in outputs:
            adaptive_weights.fuse_adaptive(outputs["static_scores"].numpy(), outputs["motion_scores"].numpy(), weights)
        else:
            outputs["scores"].numpy()
        return _VIDEOS * frames

    return rates.rate(fuse, _SECONDS)

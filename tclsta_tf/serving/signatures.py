"""What the SavedModel can be asked, in named signatures."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tclsta_tf.data import pipeline
from tclsta_tf.serving import quantisation, raw_clips
from tfrecords_tools import codec

Tensors = dict[str, tf.Tensor]

FEATURES = ("frame_features", "features")


@dataclasses.dataclass(frozen=True)
class Signatures:
    """The signatures of a classifier, as tensors in and tensors out.

    B videos, T frames of a video, N frames that the model looks at, C classes, H x W the stored frame size, h x w the
    grid of the attention, D features.

    `serving_default`: `frames` uint8 [B, T, H, W, 3], RGB, all frames of videos of one length. The model samples,
    computes optical flow, and classifies.
    `jpeg_frames`: `jpeg_frames` string [B, T], JPEGs of H x W pixels, filled up with anything; `mask` bool [B, T], true
    for what is a frame. Frames are counted without the gaps.
    `precomputed`: `frames` uint8 [B, N, H', W', 3] and, with a motion stream, `flow` uint8 [B, N, H', W', 20], both as
    the records have them: the frames looked at and their stacks u1, v1, u2, v2, ..., zero motion being 128. Any size of
    at least the crop; the centre is used.
    `features`: as `serving_default`.

    All answer with `scores` float32 [B, C] (Eq. (14): rows need not sum to 1), `labels` string [B, C], the class of
    each column, `fusion_weights` float32 [B, C, 2], how much each class trusts the static and the motion stream, and
    for both streams `<stream>_scores` [B, C], `<stream>_spatial_attention` [B, N, h, w], mean 1 over the grid,
    `<stream>_temporal_attention` [B, N], sums to 1, and `<stream>_collaborative_weights` [B, N]. Raw frames also give
    `positions` int64 [B, N], the frames that were looked at. `features` gives `<stream>_frame_features` [B, N, D],
    after spatial attention, `<stream>_features` [B, D], their mean weighted by `<stream>_temporal_attention`, and
    `positions`.

    Attributes:
        model: built `TwoStream`, or `SingleStream` for a model of frames alone.
        labels: class names in index order.
        clips: how clips are taken from raw frames.
        int8: whether large weights are stored in 8 bits.
    """

    model: keras.Model
    labels: Sequence[str]
    clips: raw_clips.RawClips
    int8: bool = False

    def write(self, folder: str) -> None:
        """Writes the SavedModel."""
        module = tf.Module()
        weights = quantisation.Int8Weights(self.model) if self.int8 else None
        # Concrete, and nothing else refers to them: saving would trace any other function again.
        functions = {
            name: tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
            for name, (function, specs) in self._functions(weights).items()
        }
        # Those that the functions read, and no others: of a folded network the unfolded one is not served.
        module.weights = list({id(v): v for function in functions.values() for v in function.graph.variables}.values())
        tf.saved_model.save(module, folder, signatures=functions)

    def fixed(self) -> tf.types.experimental.GenericFunction:
        """Signature `precomputed` of one video and of crops alone, without labels: of static shape throughout."""
        names = ("frames", "flow") if self.clips.flow else ("frames",)
        shape = [1, self.clips.num_frames, self.clips.crop_size, self.clips.crop_size]
        channels = dict(zip(("frames", "flow"), pipeline.CHANNELS.values(), strict=True))

        def classify(*clips: tf.Tensor) -> Tensors:
            outputs = self.model(dict(zip(names, clips, strict=True)), training=False)
            return {name: value for name, value in outputs.items() if not name.endswith(FEATURES)}

        specs = [tf.TensorSpec([*shape, channels[name]], tf.uint8, name) for name in names]
        return tf.function(classify, input_signature=specs, autograph=False)

    def _functions(self, weights: quantisation.Int8Weights | None) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
        restored = weights.restored if weights else contextlib.nullcontext

        # Functions of their own, traced and stored once for all signatures.
        @tf.function(autograph=False)
        def classify(clips: Tensors) -> Tensors:
            with restored():
                return self.model(clips, training=False)

        read_raw = tf.function(self._read_raw, autograph=False)

        def run(clips: Tensors) -> Tensors:
            return classify({name: clips[name] for name in ("frames", "flow") if name in clips})

        def answer(clips: Tensors) -> Tensors:
            outputs = run(clips)
            kept = {name: value for name, value in outputs.items() if not name.endswith(FEATURES)}
            batch = tf.shape(clips["frames"])[0]
            kept["labels"] = tf.tile(tf.constant(list(self.labels))[tf.newaxis], [batch, 1])
            return kept | {name: clips[name] for name in ("positions",) if name in clips}

        def classify_raw(frames: tf.Tensor) -> Tensors:
            return answer(read_raw(frames))

        def classify_jpeg(jpeg_frames: tf.Tensor, mask: tf.Tensor) -> Tensors:
            return answer(self._read_jpeg(jpeg_frames, mask))

        def classify_precomputed(*clips: tf.Tensor) -> Tensors:
            names = ("frames", "flow")[: len(clips)]
            size = self.clips.crop_size
            return answer({n: raw_clips.centre_crop(clip, size) for n, clip in zip(names, clips, strict=True)})

        def extract(frames: tf.Tensor) -> Tensors:
            clips = read_raw(frames)
            outputs = run(clips)
            wanted = (*FEATURES, "temporal_attention")
            return {name: value for name, value in outputs.items() if name.endswith(wanted)} | {
                "positions": clips["positions"]
            }

        raw = [tf.TensorSpec([None, None, self.clips.height, self.clips.width, 3], tf.uint8, "frames")]
        encoded = [tf.TensorSpec([None, None], kind, n) for n, kind in (("jpeg_frames", tf.string), ("mask", tf.bool))]
        clip = [None, self.clips.num_frames, None, None]
        precomputed = [tf.TensorSpec([*clip, pipeline.CHANNELS["static"]], tf.uint8, "frames")]
        if self.clips.flow:
            precomputed.append(tf.TensorSpec([*clip, pipeline.CHANNELS["motion"]], tf.uint8, "flow"))
        return {
            "serving_default": (classify_raw, raw),
            "jpeg_frames": (classify_jpeg, encoded),
            "precomputed": (classify_precomputed, precomputed),
            "features": (extract, raw),
        }

    def _read_raw(self, frames: tf.Tensor) -> Tensors:
        videos, length = tf.unstack(tf.shape(frames, tf.int64)[:2])
        every = tf.reshape(frames, [-1, self.clips.height, self.clips.width, 3])
        return self.clips.read(lambda keys: tf.gather(every, keys), tf.fill([videos], length), length)

    def _read_jpeg(self, encoded: tf.Tensor, mask: tf.Tensor) -> Tensors:
        with tf.control_dependencies(
            [
                tf.debugging.assert_equal(
                    tf.shape(encoded), tf.shape(mask), "`mask` must have the shape of `jpeg_frames`"
                )
            ]
        ):
            mask = tf.identity(mask)
        # Frames first, in their order, then what is none.
        order = tf.argsort(tf.cast(~mask, tf.int32), axis=1, stable=True)
        every = tf.reshape(tf.gather(encoded, order, batch_dims=1), [-1])
        lengths = tf.math.count_nonzero(mask, axis=1)

        def fetch(keys: tf.Tensor) -> tf.Tensor:
            return codec.decode_frames(tf.gather(every, keys), self.clips.height, self.clips.width)

        return self.clips.read(fetch, lengths, tf.shape(encoded, tf.int64)[1], are_raw=False)

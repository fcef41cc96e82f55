"""From the frames of a video to what the streams see, as TensorFlow operations inside the exported model.

The operations are those of the records: the same positions, the same TV-L1 code, the same bytes. Frames go through JPEG
as they do there, since the networks have seen no others, and answers would differ in a few videos of a hundred; flow,
where it matters little, does not. Only the frames that are looked at are read, and each flow field is computed once
however many stacks share it.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tclsta_tf.data import augmentation, pipeline, sampling
from tfrecords_tools import codec, schema
from tfrecords_tools.flow import quantise, tvl1

Fetch = Callable[[tf.Tensor], tf.Tensor]
"""From int64 [k], frames of a batch counted through (video * T + frame), to uint8 [k, H, W, 3]."""


@dataclasses.dataclass(frozen=True)
class RawClips:
    """How clips are taken from raw frames.

    Attributes:
        num_frames: frames per video (paper symbol N).
        crop_size: side of the centre crop, pixels.
        sampling_method: see `pipeline.test_positions`.
        height: of the frames, pixels.
        width: of the frames, pixels.
        flow: settings of TV-L1; None where there is no motion stream.
        compiled: whether XLA compiles the flow, when the model is first asked; else it runs operation by operation.
        pairs_at_once: pairs of frames in one call of the flow: 1 for a CPU, whose cache holds one pair; an
            accelerator wants more.
        stored_positions: K, the uniform positions that the records hold of each video, among which clips are sampled; 0
            for all frames.
        jpeg_quality: of the records' frames, to which raw frames are brought; 0 leaves frames as they are.
        multiple: sides to which frames are padded for the flow, by repeating their last row and column; see
            `methods.make_flow`.
    """

    num_frames: int
    crop_size: int
    sampling_method: str
    height: int
    width: int
    flow: tvl1.TVL1Params | None
    compiled: bool = True
    pairs_at_once: int = 1
    stored_positions: int = 0
    jpeg_quality: int = 0
    multiple: int = 1

    def read(self, fetch: Fetch, lengths: tf.Tensor, stride: tf.Tensor, are_raw: bool = True) -> dict[str, tf.Tensor]:
        """Samples, computes flow and crops.

        Args:
            fetch: gives frames.
            lengths: int64 [B], frames of each video, at least 1; where it has one only, nothing moves.
            stride: int64 [], T: the first frame of video b is b * T for `fetch`.
            are_raw: whether the frames have never been JPEGs.

        Returns:
            `positions` int64 [B, N]; `frames` uint8 [B, N, crop, crop, 3]; with flow `flow` uint8
            [B, N, crop, crop, 20].
        """
        some = tf.debugging.assert_positive(lengths, "every video must have one frame at least")
        with tf.control_dependencies([some]):
            lengths = tf.identity(lengths)
        positions = self._sample(lengths[:, tf.newaxis])  # [B, N]
        first_frames = tf.range(tf.size(lengths, tf.int64))[:, tf.newaxis] * stride  # [B, 1]
        wanted = tf.reshape(first_frames + positions, [-1])
        if self.flow is None:
            return {"positions": positions, "frames": self._finish(fetch(wanted), are_raw)}

        fields = sampling.dense_stack_fields(positions, lengths[:, tf.newaxis] - 1)  # [B, N, L]
        keys = tf.reshape(first_frames[:, :, tf.newaxis] + fields, [-1])
        starts, field_index = tf.unique(keys)  # [P], [B * N * L]
        # Field i joins the frames i and i + 1. A video of one frame has none: the frame beside itself shows no motion.
        ends = starts + tf.gather(tf.cast(lengths > 1, tf.int64), starts // stride)
        needed, rows = tf.unique(tf.concat([wanted, starts, ends], axis=0))
        images = fetch(needed)
        of_clip, of_starts, of_ends = tf.split(rows, [tf.size(wanted), tf.size(starts), tf.size(starts)])
        grey = to_grey(images)
        stored = self._compute_flow(tf.gather(grey, of_starts), tf.gather(grey, of_ends))  # [P, H, W, 2]
        planes = tf.gather(centre_crop(stored, self.crop_size), tf.reshape(field_index, [-1, schema.STACK_LENGTH]))
        stacks = tf.transpose(planes, [0, 2, 3, 1, 4])  # [B * N, crop, crop, L, 2]: channels u1, v1, u2, v2, ...
        stacks = tf.reshape(stacks, [-1, self.crop_size, self.crop_size, 2 * schema.STACK_LENGTH])
        return {
            "positions": positions,
            "frames": self._finish(tf.gather(images, of_clip), are_raw),
            "flow": self._clip(stacks),
        }

    def _sample(self, lengths: tf.Tensor) -> tf.Tensor:
        if not self.stored_positions:
            return pipeline.test_positions(lengths, self.num_frames, self.sampling_method)
        stored = tf.constant(self.stored_positions, tf.int64)
        chosen = pipeline.test_positions(tf.minimum(lengths, stored), self.num_frames, self.sampling_method)
        # `stacks.uniform_positions`, which are all frames where a video has no more than K.
        return tf.where(lengths > stored, (chosen + 1) * lengths // (stored + 1), chosen)

    def _finish(self, frames: tf.Tensor, are_raw: bool) -> tf.Tensor:
        if are_raw and self.jpeg_quality:
            frames = tf.map_fn(
                lambda frame: tf.io.encode_jpeg(frame, quality=self.jpeg_quality),
                frames,
                fn_output_signature=tf.TensorSpec([], tf.string),
            )
            frames = codec.decode_frames(frames, self.height, self.width)
        return self._clip(centre_crop(frames, self.crop_size))

    def _clip(self, images: tf.Tensor) -> tf.Tensor:
        return tf.reshape(images, [-1, self.num_frames, *images.shape[1:]])

    @functools.cached_property
    def _estimate(self) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """TV-L1 of one group of pairs: one function for one shape, traced, stored and compiled once."""
        size = (self.height, self.width)
        rows, columns = (np.minimum(np.arange(side + -side % self.multiple), side - 1) for side in size)

        def pad(frames: tf.Tensor) -> tf.Tensor:
            return frames if self.multiple == 1 else tf.gather(tf.gather(frames, rows, axis=1), columns, axis=2)

        params = self.flow or tvl1.TVL1Params()

        @tf.function(jit_compile=self.compiled or None, autograph=False)
        def estimate(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
            flow = tvl1.estimate(pad(first), pad(second), params)
            return to_bytes(flow[:, : self.height, : self.width])

        return estimate

    def _compute_flow(self, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Flow as stored bytes, uint8 [P, H, W, 2], of grey frames uint8 [P, H, W] and those that follow them."""
        shape = [self.pairs_at_once, self.height, self.width]
        pairs = tf.shape(first)[0]
        groups = -(-pairs // self.pairs_at_once)
        # The last group is filled up with the last pair: another shape would be another compilation.
        index = tf.reshape(tf.minimum(tf.range(groups * self.pairs_at_once), pairs - 1), [groups, -1])
        flow = tf.map_fn(
            lambda chosen: self._estimate(*(tf.ensure_shape(tf.gather(f, chosen), shape) for f in (first, second))),
            index,
            fn_output_signature=tf.TensorSpec([*shape, 2], tf.uint8),
        )
        return tf.reshape(flow, [-1, *shape[1:], 2])[:pairs]


def centre_crop(images: tf.Tensor, size: int) -> tf.Tensor:
    """The square of `size` pixels in the middle of images [..., H, W, C]; it must be that large."""
    top, left, *_ = tf.unstack(augmentation.centre_crop(size).window(tf.shape(images)[-3:-1]))
    cropped = images[..., top : top + size, left : left + size, :]
    return tf.ensure_shape(cropped, [*images.shape[:-3], size, size, images.shape[-1]])


def to_grey(frames: tf.Tensor) -> tf.Tensor:
    """Grey values of frames, uint8 [..., 3] RGB to uint8 [...], to the bit those of OpenCV."""
    red, green, blue = tf.unstack(tf.cast(frames, tf.int32), axis=-1)
    return tf.cast((red * 9798 + green * 19235 + blue * 3735 + 16384) // 32768, tf.uint8)


def to_bytes(flow: Any) -> tf.Tensor:
    """Flow in pixels per frame, float32 [...], as it is stored, uint8 [...]; see `quantise.quantise`."""
    clipped = tf.clip_by_value(flow, -quantise.SATURATION, quantise.SATURATION)
    return tf.cast(tf.floor((clipped + quantise.SATURATION) * quantise.LEVELS + 0.5), tf.uint8)

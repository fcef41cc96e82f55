"""The images of one video inside a TensorFlow graph: from a record in memory, or from their places in the files."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tclsta_tf.data import augmentation, sampling
from tfrecords_tools import codec, random_access, schema, stacks
from tfrecords_tools.flow import quantise


@dataclasses.dataclass(frozen=True)
class Video:
    """One video.

    Attributes:
        num_frames: int64 [], n.
        num_fields: int64 [], F.
        frames: from int64 [k] to string [k], the JPEGs of frames.
        flow: from int64 [k] to string [k], the JPEGs of flow fields.
        layout: gives int64 [n], the first field of the stack of each frame, and int64 [], height and width of frames.
    """

    num_frames: tf.Tensor
    num_fields: tf.Tensor
    frames: Callable[[tf.Tensor], tf.Tensor]
    flow: Callable[[tf.Tensor], tf.Tensor]
    layout: Callable[[], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]

    def clips(self, stream: str, positions: tf.Tensor, crops: Sequence[augmentation.Crop]) -> list[tf.Tensor]:
        """Decodes a clip, once for all crops of it.

        Args:
            stream: `static` or `motion`.
            positions: int64 [T], its frames.
            crops: what is wanted of the images.

        Returns:
            For each crop frames uint8 [T, h, w, 3], or stacks of flow fields uint8 [T, h, w, 2L], zero where the video
            has no flow.
        """
        if stream == "static":
            images = self.frames(positions)
            shape = tf.io.extract_jpeg_shape(images[0])[:2]
            cut = codec.decode_frame_windows(images, shape, [crop.window(shape) for crop in crops])
            return [crop.finish(frames, False) for crop, frames in zip(crops, cut, strict=True)]
        starts, height, width = self.layout()
        shape = tf.cast(tf.stack([height, width]), tf.int32)
        windows = [crop.window(shape) for crop in crops]

        def moving() -> tuple[list[tf.Tensor], tf.Tensor]:
            fields = sampling.stack_fields(starts, positions, self.num_fields)
            # Neighbouring stacks share fields: each is decoded once.
            needed, index = tf.unique(tf.reshape(fields, [-1]), out_idx=tf.int64)
            return codec.decode_plane_windows(self.flow(needed), shape, windows), tf.reshape(index, tf.shape(fields))

        def still() -> tuple[list[tf.Tensor], tf.Tensor]:
            shapes = [tf.concat([[2], window[2:], [1]], axis=0) for window in windows]
            planes = [tf.fill(shape, tf.constant(quantise.ZERO, tf.uint8)) for shape in shapes]
            return planes, tf.zeros([tf.size(positions), schema.STACK_LENGTH], tf.int64)

        cut, fields = tf.cond(self.num_fields > 0, moving, still)
        made = [crop.finish(planes, True) for crop, planes in zip(crops, cut, strict=True)]
        return [_pack(planes, fields, positions.shape[0]) for planes in made]


def _pack(planes: tf.Tensor, fields: tf.Tensor, count: int | None) -> tf.Tensor:
    # Stateless: otherwise clips would be packed one after the other where operations must be deterministic.
    clip = tf.numpy_function(stacks.pack, [planes, fields], tf.uint8, stateful=False)
    return tf.ensure_shape(clip, [count, *planes.shape[1:3], 2 * schema.STACK_LENGTH])


def parsed(record: dict[str, tf.Tensor]) -> Video:
    """A video whose record is in memory, as `schema.parse` gives it."""
    return Video(
        num_frames=tf.size(record["frames"], out_type=tf.int64),
        num_fields=tf.size(record["flow"], out_type=tf.int64),
        frames=lambda positions: tf.gather(record["frames"], positions),
        flow=lambda fields: tf.gather(record["flow"], fields),
        layout=lambda: (record["stack_starts"], record["height"], record["width"]),
    )


class Stored:
    """Videos of which only those images are read that are asked for.

    Args:
        reader: of the files.
        places: int [n, 2], shard and number in the shard of each video.
        num_frames: int [n], their frames.
        num_fields: int [n], their flow fields.
    """

    def __init__(
        self, reader: random_access.Reader, places: np.ndarray, num_frames: np.ndarray, num_fields: np.ndarray
    ) -> None:
        self._reader = reader
        self._places = places
        self._num_frames = np.asarray(num_frames, np.int64)
        self._num_fields = np.asarray(num_fields, np.int64)

    def __getitem__(self, index: tf.Tensor) -> Video:
        """The video at an int64 scalar."""
        return Video(
            num_frames=tf.gather(self._num_frames, index),
            num_fields=tf.gather(self._num_fields, index),
            frames=lambda positions: self._images(index, "frames", positions),
            flow=lambda fields: self._images(index, "flow", fields),
            layout=lambda: self._layout(index),
        )

    def _images(self, index: tf.Tensor, key: str, indices: tf.Tensor) -> tf.Tensor:
        def read(index: np.ndarray, indices: np.ndarray) -> np.ndarray:
            shard, video = self._places[index]
            return np.asarray(self._reader.read(shard, video, key, indices), object)

        images = tf.numpy_function(read, [index, indices], tf.string, stateful=False)
        return tf.ensure_shape(images, indices.shape)

    def _layout(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        def read(index: np.ndarray) -> tuple[np.ndarray, np.int64, np.int64]:
            layout = self._reader.layout(*self._places[index])
            return layout.stack_starts, np.int64(layout.height), np.int64(layout.width)

        starts, height, width = tf.numpy_function(read, [index], [tf.int64] * 3, stateful=False)
        return tf.ensure_shape(starts, [None]), tf.ensure_shape(height, []), tf.ensure_shape(width, [])

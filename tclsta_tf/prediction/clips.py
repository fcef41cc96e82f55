"""What a clip needs of its video, and its images once they are there.

A window is sampled as if it were a video that ends with it: the frames and flow fields that the records of such a video
would hold, and of those the ones that testing would take.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.data import augmentation, pipeline, videos
from tclsta_tf.prediction import windows
from tfrecords_tools import config as record_config
from tfrecords_tools import stacks


@dataclasses.dataclass(frozen=True)
class Clip:
    """What is needed of a window.

    Attributes:
        window: the window.
        positions: int64 [N], the frames counted in those that its record would hold.
        frames: int64 [N], the frames counted in the video, ascending.
        fields: int64 [F], the flow fields that their stacks are made of, counted in the video, ascending, each once.
        stack_starts: int64 [N], for each frame the index into `fields` of the first field of its stack.
    """

    window: windows.Window
    positions: np.ndarray
    frames: np.ndarray
    fields: np.ndarray
    stack_starts: np.ndarray


def plan(
    window: windows.Window,
    num_frames: int,
    sampling_method: str,
    settings: record_config.RecordSettings,
    with_flow: bool = True,
) -> Clip:
    """Says what is needed of a window.

    Args:
        window: the window.
        num_frames: frames of the clip (paper symbol N).
        sampling_method: see `pipeline.test_positions`.
        settings: how records are made; `positions` is used.
        with_flow: False for a model without a motion stream, which needs no field.

    Returns:
        The clip.
    """
    frames, fields, starts = stacks.sparse_layout(window.num_frames, settings.positions)
    positions = pipeline.test_positions(len(frames), num_frames, sampling_method).numpy()
    needed = np.zeros(0, np.int64)
    chosen = np.zeros(num_frames, np.int64)
    if with_flow and len(fields):
        stacked = fields[stacks.stack_fields(starts[positions], len(fields))]  # [N, L]
        needed = np.unique(stacked)
        chosen = np.searchsorted(needed, stacked[:, 0])
    return Clip(window, positions, window.first + frames[positions], window.first + needed, chosen)


class Pending:
    """A clip whose images are being collected.

    Args:
        clip: the clip.
    """

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.last_frame = max(int(clip.frames[-1]), int(clip.fields[-1]) + 1 if len(clip.fields) else 0)
        """The last frame of the video that is needed for it."""
        self.frames: dict[int, bytes | None] = dict.fromkeys(clip.frames.tolist())
        self.fields: dict[int, bytes | None] = dict.fromkeys(clip.fields.tolist())
        self._missing = len(self.frames) + len(self.fields)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return not self._missing

    def keep(self, images: dict[int, bytes | None], index: int, image: bytes) -> None:
        """Takes an image for `frames` or `fields` where it is one of them."""
        if index in images:
            images[index] = image
            self._missing -= 1

    def inputs(self, size: tuple[int, int], streams: tuple[str, ...] = config.STREAMS) -> dict[str, tf.Tensor]:
        """Decodes the images, as the records' readers do.

        Args:
            size: height and width of the stored frames, pixels.
            streams: `static`, or `static` and `motion`.

        Returns:
            By stream uint8 [N, H, W, 3] and uint8 [N, H, W, 20].
        """
        record = {
            "frames": tf.constant([self.frames[index] for index in self.clip.frames.tolist()], tf.string),
            "flow": tf.constant([self.fields[index] for index in self.clip.fields.tolist()], tf.string),
            "stack_starts": tf.constant(self.clip.stack_starts, tf.int64),
            "height": tf.constant(size[0], tf.int64),
            "width": tf.constant(size[1], tf.int64),
        }
        return _decoder(streams)(record)


@functools.cache
def _decoder(streams: tuple[str, ...]) -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]:
    """A graph, traced once: decoding a clip image by image is slower outside of one."""

    def decode(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        stored = videos.parsed(record)
        everything = tf.range(stored.num_frames)
        return {stream: stored.clips(stream, everything, [augmentation.whole_images()])[0] for stream in streams}

    strings, scalar = tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int64)
    spec = {
        "frames": strings,
        "flow": strings,
        "stack_starts": tf.TensorSpec([None], tf.int64),
        "height": scalar,
        "width": scalar,
    }
    return tf.function(decode, input_signature=[spec], autograph=False)

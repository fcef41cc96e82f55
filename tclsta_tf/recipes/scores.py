"""What the trained streams say about the videos of a role, as the protocol of the run has it."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import special

from tclsta_tf import config
from tclsta_tf.data import features
from tclsta_tf.recipes import parts
from tclsta_tf.recipes import run as run_lib
from tfrecords_tools import manifest


@dataclasses.dataclass(frozen=True)
class Videos:
    """The videos of a role, in the order of their features.

    Attributes:
        ids: str [n].
        labels: int32 [n], the first class of each; -1 where it has none.
        truth: bool [n, C], every class of each.
        groups: str [n].
    """

    ids: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_multi_label(self) -> bool:
        """Whether a video has several classes or none, so that the measure is the mean average precision."""
        return bool((self.truth.sum(axis=1) != 1).any())


def concatenate(parts: Sequence[Videos]) -> Videos:
    """The videos of all parts, one part after the other."""
    names = [field.name for field in dataclasses.fields(Videos)]
    return Videos(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def videos(run: run_lib.Run, role: str) -> Videos:
    """The videos of a role.

    Raises:
        ValueError: the features were extracted of other videos.
    """
    entries = run.subset(role).videos
    for stream in config.STREAMS:
        file = run.feature_file(stream, role)
        if features.read_ids(file)[:: run.clips(role)].tolist() != [entry.id for entry in entries]:
            raise ValueError(f"{file} holds other videos than {run.data_dir}: delete it and extract the features again")
    return describe(entries, len(run.labels))


def describe(entries: Sequence[manifest.VideoEntry], num_classes: int) -> Videos:
    """The videos of entries of a manifest, in their order."""
    truth = np.zeros([len(entries), num_classes], bool)
    for row, entry in enumerate(entries):
        truth[row, list(entry.labels)] = True
    return Videos(
        ids=np.array([entry.id for entry in entries], str),
        labels=np.array([entry.labels[0] if entry.labels else -1 for entry in entries], np.int32),
        truth=truth,
        groups=np.array([entry.group for entry in entries], str),
    )


def stream_scores(run: run_lib.Run, stream: str, role: str) -> np.ndarray:
    """Scores of one stream for every video of a role, float32 [n, C], by all frames of each or by the middle one."""
    file, data = run.feature_file(stream, role), run.config.data
    if data.frame_protocol == "all":
        return features.read(file, run.clips(role), data.clip_pooling)["scores"]
    classifier = parts.load(run, stream).connection_classifier
    logits = features.read_middle(file) @ classifier.kernel.numpy() + classifier.bias.numpy()
    return features.pool(special.softmax(logits, axis=-1), run.clips(role), data.clip_pooling)


def protocol(run: run_lib.Run) -> dict[str, object]:
    """How videos are tested, so that figures of different papers can be told apart."""
    data = run.config.data
    frames = data.test_frames if data.frame_protocol == "all" else 1
    return {
        "frames_per_clip": frames,
        "frames_per_clip_of_network": data.test_frames,
        "clips_per_video": data.test_clips,
        "crops_per_clip": data.test_crops,
        "pooling": data.clip_pooling,
    }


def describe_protocol(values: dict[str, object]) -> str:
    """The same in words."""

    def count(number: object, what: str) -> str:
        return f"{number} {what}" + ("" if number == 1 else "s")

    pooled = f" (their {values['pooling']})" if values["clips_per_video"] != 1 else ""
    clips = f"{count(values['clips_per_video'], 'clip')} of a video{pooled}"
    frames, all_frames = values["frames_per_clip"], values["frames_per_clip_of_network"]
    others = f" ({all_frames} for the collaborative network and early fusion)" if frames != all_frames else ""
    return f"{clips}, {count(frames, 'frame')} a clip{others}, {count(values['crops_per_clip'], 'crop')}"

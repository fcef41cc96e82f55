"""Features, scores and attentions of every video, by the trained streams."""

import functools
from collections.abc import Callable, Iterator

import numpy as np

from tclsta_tf.data import features, pipeline
from tclsta_tf.models import inference
from tclsta_tf.recipes import frozen, identity, parts
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import summaries
from tfrecords_tools import manifest, storage

_BATCH = 8


def extract(run: run_lib.Run, stream: str, roles: tuple[str, ...] = run_lib.ROLES) -> None:
    """Writes `<workdir>/features/<stream>-<role>.tfrecord` for each role; what this very model has made is kept.

    Beside each file, `<name>.tfrecord.model` holds the hash of the model that made it.

    Args:
        run: configuration, data and working folder.
        stream: `static` or `motion`, trained.
        roles: any of `train`, `validation`, `test`.

    Raises:
        ValueError: where the stream is not trained.
    """
    identity.verify(run, stream)
    digest = _model_digest(run, stream)
    missing = [role for role in roles if not digest or _made_by(run.feature_file(stream, role)) != digest]
    if not missing:
        return
    parts.fix_orders()
    model = parts.load(run, stream)
    part = frozen.FrozenPart(run, stream, model) if run.config.stream_of(stream).cache_frozen else None

    @functools.cache  # not needed where all is stored
    def make_inference() -> parts.Inference:
        folded = inference.InferenceStream(model)
        return parts.make_inference(run, stream, folded, run.config.data.test_frames, features.OUTPUTS)

    for role in missing:
        subset = run.subset(role)
        ids = [video.id for video in subset.videos for _ in range(run.clips(role))]
        stored = None
        if ids and part and run.crops(role) == run.clips(role) == 1:
            stored = frozen.TestClips(run, stream, part, role)
        batches = _outputs(run, make_inference, stream, role, stored) if ids else ()
        with run.explaining_damage():
            features.write(run.feature_file(stream, role), ids, batches)
        manifest.write_atomically(_note(run.feature_file(stream, role)), digest + "\n")


def is_extracted(run: run_lib.Run, stream: str, role: str) -> bool:
    """Whether the features of a role are there, made by the stream as it is now."""
    model = _model_digest(run, stream)
    return bool(model) and _made_by(run.feature_file(stream, role)) == model


def _model_digest(run: run_lib.Run, stream: str) -> str:
    file = run.model_file(stream)
    return run_lib.digest([file.read_bytes()]) if file.exists() else ""  # where there is none, loading it says so


def _made_by(file: storage.AnyPath) -> str:
    note = _note(file)
    return note.read_text(encoding="utf-8").strip() if file.exists() and note.exists() else ""


def _note(file: storage.AnyPath) -> storage.AnyPath:
    return file.parent / f"{file.name}.model"


def _outputs(
    run: run_lib.Run,
    make_inference: Callable[[], parts.Inference],
    stream: str,
    role: str,
    stored: frozen.TestClips | None,
) -> Iterator[dict[str, np.ndarray]]:
    data, subset = run.config.data, run.subset(role)
    crops, windows = run.crops(role), run.clips(role)
    progress = summaries.Progress(f"features {stream} {role}", len(subset) * windows)
    done = 0
    clips = max(1, _BATCH // crops)
    for batch in pipeline.video_batches(
        subset, stream, data.test_frames, data.crop_size, clips, data.sampling, crops, windows, stored is None
    ):
        count = len(batch["labels"])
        found = make_inference()(batch["clips"]) if stored is None else stored.outputs(done, count, features.OUTPUTS)
        outputs = {name: value.numpy() for name, value in found.items()}
        yield features.average_crops(outputs, crops) | {
            "labels": batch["labels"].numpy(),
            "positions": batch["positions"].numpy(),
        }
        done += count
        progress.show(done, {})

"""Writes a finished run as a SavedModel with what a program needs to feed it."""

import json
import shutil

import keras

from tclsta_tf.models import two_stream
from tclsta_tf.serving import signatures
from tfrecords_tools import storage


def export_model(
    model: two_stream.TwoStream,
    labels: tuple[str, ...],
    num_frames: int,
    crop_size: int,
    card: dict[str, object],
    folder: storage.AnyPath,
) -> None:
    """Writes `folder`: the SavedModel, `assets/labels.txt` and `assets/model.json`.

    Args:
        model: built, trained.
        labels: class names in index order.
        num_frames: frames per video (paper symbol N).
        crop_size: side of the centre crop, pixels.
        card: goes to `assets/model.json`: how videos become records, and whatever tells the model's origin.
        folder: of the version; it must not exist, a served model is never overwritten.
    """
    settings = {"num_frames": num_frames, "crop_size": crop_size, **card}
    with storage.created(folder) as partial:
        shutil.rmtree(partial, ignore_errors=True)
        archive = signatures.build_archive(model, labels, num_frames, crop_size)
        archive.write_out(str(partial), verbose=False)
        assets = partial / "assets"
        assets.mkdir(exist_ok=True)
        (assets / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
        (assets / "model.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    keras.backend.clear_session()

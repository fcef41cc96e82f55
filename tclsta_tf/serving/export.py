"""Writes a finished run as a SavedModel with what a program needs to feed it."""

import json
import os
import pathlib
import shutil

import keras

from tclsta_tf.models import two_stream
from tclsta_tf.serving import signatures

VERSION = "1"  # TensorFlow Serving looks for numbered versions


def export_model(
    model: two_stream.TwoStream,
    labels: tuple[str, ...],
    num_frames: int,
    crop_size: int,
    card: dict[str, object],
    output_dir: pathlib.Path,
) -> pathlib.Path:
    """Writes `<output_dir>/1`: the SavedModel, `assets/labels.txt` and `assets/model.json`.

    Args:
        model: built, trained.
        labels: class names in index order.
        num_frames: frames per video (paper symbol N).
        crop_size: side of the centre crop, pixels.
        card: goes to `assets/model.json`: how videos become records, and whatever tells the model's origin.
        output_dir: folder of the versions.

    Returns:
        The folder of the version.

    Raises:
        ValueError: where the version exists; a served model is never overwritten.
    """
    folder = output_dir / VERSION
    if folder.exists():
        raise ValueError(f"{folder} exists already: delete it or use another --output_dir")
    partial = output_dir / f"partial-{VERSION}"
    shutil.rmtree(partial, ignore_errors=True)
    archive = signatures.build_archive(model, labels, num_frames, crop_size)
    archive.write_out(str(partial), verbose=False)
    assets = partial / "assets"
    assets.mkdir(exist_ok=True)
    (assets / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
    settings = {"num_frames": num_frames, "crop_size": crop_size, **card}
    (assets / "model.json").write_text(json.dumps(settings, indent=1) + "\n")
    os.replace(partial, folder)
    keras.backend.clear_session()
    return folder

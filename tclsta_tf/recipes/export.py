"""Puts the trained parts of a run together and exports them; needs the working folder only, not the records."""

import json
from typing import Any

import numpy as np

from tclsta_tf import config
from tclsta_tf.models import two_stream
from tclsta_tf.recipes import evaluate, parts
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.serving import export as serving_export
from tfrecords_tools import storage


def export(run: run_lib.Run, output_dir: storage.AnyPath, keep_equal: bool = False) -> storage.AnyPath:
    """Writes the run's classifier to `<output_dir>/1`.

    Args:
        run: trained and evaluated.
        output_dir: folder of the versions.
        keep_equal: where the newest version was made of the very same parts, leave it; where it was not, write the
            next version. Without it, an existing version 1 is an error.

    Returns:
        The folder of the version.

    Raises:
        ValueError: where a part is not trained, the fusion not learned, or the version exists.
    """
    digest = _digest(run)
    versions = sorted(int(path.name) for path in storage.entries(output_dir, "[0-9]*") if path.name.isdecimal())
    if versions and keep_equal:
        newest = output_dir / str(versions[-1])
        card_file = newest / "assets" / "model.json"
        if card_file.exists() and json.loads(card_file.read_text(encoding="utf-8")).get("parts") == digest:
            return newest
    elif versions:
        raise ValueError(f"{output_dir} holds version {versions[-1]} already: delete it or use another --output_dir")
    model = assemble(run)
    data = run.config.data
    records = _records(run)
    card = {
        "record": records["settings"],
        "sampling": data.sampling,
        "flags": run.config.to_json(),
        "git_revision": evaluate.git_revision(),
        "parts": digest,
    }
    labels = tuple(records["labels"])
    folder = output_dir / str(versions[-1] + 1 if versions else 1)  # TensorFlow Serving looks for numbers
    serving_export.export_model(model, labels, data.test_frames, data.crop_size, card, folder)
    return folder


def _digest(run: run_lib.Run) -> str:
    """Tells whether two exports would be the same: a hash of all parts and of the fusion weights."""
    for part in config.PARTS:
        run.verify(part, with_records=False)
    if not run.fusion_file.exists():
        raise ValueError(f"{run.fusion_file} does not exist: run `python -m tclsta_tf.evaluate` first")
    files = [*(run.model_file(part) for part in config.PARTS), run.fusion_file]
    for file in files:
        if not file.exists():
            raise ValueError(f"{file} does not exist: train --part={file.parent.name} to its end first")
    return run_lib.digest(file.read_bytes() for file in files)


def assemble(run: run_lib.Run) -> two_stream.TwoStream:
    """Loads the finished parts and the fusion weights into one model.

    Raises:
        ValueError: where a part is not trained or the fusion not learned.
    """
    fusion = json.loads(run.fusion_file.read_text())
    if fusion["labels"] != _records(run)["labels"]:
        raise ValueError(f"{run.fusion_file} was learned for other classes: delete it and evaluate again")
    parts.prepare(run.config.device)
    data, network = run.config.data, run.config.network
    model = two_stream.TwoStream(
        **{part: parts.load(run, part) for part in config.STREAMS},
        network=parts.load(run, "collaborative"),
        fusion_weights=fusion.get("heads", fusion["streams"]),
        source=network.collaborative_input,
        rescale=network.rescale_temporal,
    )
    sides = [1, data.test_frames, data.crop_size, data.crop_size]
    model({"frames": np.zeros([*sides, 3], np.uint8), "flow": np.zeros([*sides, 20], np.uint8)}, training=False)
    return model


def _records(run: run_lib.Run) -> dict[str, Any]:
    """What the streams were trained on, from the working folder: an export does not need the records."""
    return json.loads((run.part_dir("static") / "config.json").read_text())["records"]

"""Puts the trained parts of a run together and exports them; needs the working folder only, not the records."""

import json
import pathlib
from typing import Any

import numpy as np

from tclsta_tf import config
from tclsta_tf.models import two_stream
from tclsta_tf.recipes import evaluate, parts
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.serving import export as serving_export


def export(run: run_lib.Run, output_dir: pathlib.Path) -> pathlib.Path:
    """Writes the run's classifier to `<output_dir>/1`.

    Raises:
        ValueError: where a part is not trained, the fusion not learned, or the version exists.
    """
    model = assemble(run)
    data = run.config.data
    records = _records(run)
    card = {
        "record": records["settings"],
        "sampling": data.sampling,
        "flags": run.config.to_json(),
        "git_revision": evaluate.git_revision(),
    }
    labels = tuple(records["labels"])
    return serving_export.export_model(model, labels, data.test_frames, data.crop_size, card, output_dir)


def assemble(run: run_lib.Run) -> two_stream.TwoStream:
    """Loads the finished parts and the fusion weights into one model.

    Raises:
        ValueError: where a part is not trained or the fusion not learned.
    """
    if not run.fusion_file.exists():
        raise ValueError(f"{run.fusion_file} does not exist: run `python -m tclsta_tf.evaluate` first")
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

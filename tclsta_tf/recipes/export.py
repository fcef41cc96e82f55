"""Puts the trained parts of a run together and exports them; needs the working folder only, not the records."""

import json
from typing import Any

import keras
import numpy as np

from tclsta_tf import config
from tclsta_tf.models import inference, single_stream, two_stream
from tclsta_tf.recipes import evaluate, identity, parts, results
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.serving import export as serving_export
from tfrecords_tools import storage

_AS_TRAINED = config.ExportConfig()
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def export(
    run: run_lib.Run,
    output_dir: storage.AnyPath,
    settings: config.ExportConfig = _AS_TRAINED,
    keep_equal: bool = False,
) -> storage.AnyPath:
    """Writes the run's classifier to `<output_dir>/1`.

    Args:
        run: trained and evaluated; for `settings.motion="none"` a trained static stream is enough.
        output_dir: folder of the versions.
        settings: what is exported, and how.
        keep_equal: where the newest version was made of the very same parts in the same way, leave it; where it was
            not, write the next version. Without it, an existing version 1 is an error.

    Returns:
        The folder of the version.

    Raises:
        ValueError: where a part is not trained, the fusion not learned, or the version exists.
    """
    digest = _digest(run, settings)
    versions = sorted(int(path.name) for path in storage.entries(output_dir, "[0-9]*") if path.name.isdecimal())
    if versions and keep_equal:
        newest = output_dir / str(versions[-1])
        if _same(newest, digest, settings):
            return newest
    elif versions:
        raise ValueError(f"{output_dir} holds version {versions[-1]} already: delete it or use another --output_dir")
    model = assemble(run, settings)
    records = _records(run)
    card: dict[str, object] = {
        "data": _describe_data(run),
        "metrics": _describe_metrics(run, settings),
        "flags": run.config.to_json(),
        "git_revision": evaluate.git_revision(),
        "parts": digest,
    }
    folder = output_dir / str(versions[-1] + 1 if versions else 1)  # TensorFlow Serving looks for numbers
    serving_export.export_model(
        model,
        tuple(records["labels"]),
        run.config.data,
        records["settings"],
        settings,
        card,
        folder,
    )
    return folder


def _same(folder: storage.AnyPath, digest: str, settings: config.ExportConfig) -> bool:
    card_file = folder / "assets" / "model.json"
    if not card_file.exists():
        return False
    card = json.loads(card_file.read_text(encoding="utf-8"))
    return card.get("parts") == digest and card.get("export") == settings.to_json()


def _digest(run: run_lib.Run, settings: config.ExportConfig) -> str:
    """Tells whether two exports would be the same: a hash of all parts and of the fusion weights."""
    wanted = config.PARTS if settings.motion != "none" else ("static",)
    for part in wanted:
        identity.verify(run, part, with_records=False)
    files = [run.model_file(part) for part in wanted]
    if settings.motion != "none":
        if not run.fusion_file.exists():
            raise ValueError(f"{run.fusion_file} does not exist: run `python -m tclsta_tf.evaluate` first")
        files.append(run.fusion_file)
    for file in files:
        if not file.exists():
            raise ValueError(f"{file} does not exist: train --part={file.parent.name} to its end first")
    return run_lib.digest(file.read_bytes() for file in files)


def assemble(run: run_lib.Run, settings: config.ExportConfig = _AS_TRAINED) -> keras.Model:
    """Loads the finished parts and the fusion weights into one model for inference.

    Raises:
        ValueError: where a part is not trained or the fusion not learned.
    """
    parts.prepare(run.config.device)
    data, network = run.config.data, run.config.network
    clips = {"frames": np.zeros([1, data.test_frames, data.crop_size, data.crop_size, 3], np.uint8)}
    if settings.motion == "none":
        model = single_stream.SingleStream(_load_stream(run, "static", settings))
        model(clips, training=False)
        return model
    fusion = json.loads(run.fusion_file.read_text())
    if fusion["labels"] != _records(run)["labels"]:
        raise ValueError(f"{run.fusion_file} was learned for other classes: delete it and evaluate again")
    model = two_stream.TwoStream(
        **{part: _load_stream(run, part, settings) for part in config.STREAMS},
        network=parts.load(run, "collaborative"),
        fusion_weights=fusion.get("heads", fusion["streams"]),
        source=network.collaborative_input,
        rescale=network.rescale_temporal,
    )
    clips["flow"] = np.zeros([*clips["frames"].shape[:-1], 20], np.uint8)
    model(clips, training=False)
    return model


def _load_stream(run: run_lib.Run, part: str, settings: config.ExportConfig) -> inference.InferenceStream:
    stream = parts.load(run, part)
    if settings.precision != "trained":
        stream = inference.with_precision(stream, _POLICIES[settings.precision])
    return inference.InferenceStream(stream)


def _records(run: run_lib.Run) -> dict[str, Any]:
    """What the streams were trained on, from the working folder: an export does not need the records."""
    return json.loads((run.part_dir("static") / "config.json").read_text())["records"]


def _describe_data(run: run_lib.Run) -> dict[str, Any]:
    """What the model was trained and tested on, for the model card; empty where it has not been evaluated."""
    found = _metrics(run)
    known = {name: found.get(name) for name in ("dataset", "split", "num_classes", "num_test_videos")}
    return (known if found else {}) | {"records_sha256": _records(run)["sha256"]}


def _describe_metrics(run: run_lib.Run, settings: config.ExportConfig) -> dict[str, Any]:
    """Figures of the row of the evaluation that is exported; empty where there is none."""
    found = _metrics(run)
    if not found:
        return {}
    rows = found["results"]
    static_row = evaluate.row_name(evaluate.STREAM_ROWS["static"], run.config.stream.attention)
    row = static_row if settings.motion == "none" else evaluate.final_row(run, rows)
    return {"row": row, **rows[row], "protocol": found["protocol"]} if row in rows else {}


def _metrics(run: run_lib.Run) -> dict[str, Any]:
    file = run.report_dir / results.METRICS_FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

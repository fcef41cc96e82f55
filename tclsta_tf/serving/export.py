"""Writes a classifier as a SavedModel with what a program needs to feed it."""

import json
import shutil
from typing import Any

import keras
import numpy as np

from tclsta_tf import config
from tclsta_tf.serving import card as card_lib
from tclsta_tf.serving import conversion, raw_clips, signatures, warmup
from tfrecords_tools import config as record_config
from tfrecords_tools import storage, video
from tfrecords_tools.flow import methods, tvl1

_IN_GRAPH = {"tvl1": tvl1.TVL1Params(), "tvl1_fast": tvl1.FAST}
_FRAMES_OF_WARMUP = 2  # enough for XLA to compile the flow


def export_model(
    model: keras.Model,
    labels: tuple[str, ...],
    data: config.DataConfig,
    record: dict[str, Any],
    settings: config.ExportConfig,
    card: dict[str, object],
    folder: storage.AnyPath,
) -> None:
    """Writes `folder`: the SavedModel, `assets/` with labels and model card, `assets.extra/` with warm-up requests.

    Args:
        model: built `TwoStream` or `SingleStream`.
        labels: class names in index order.
        data: how clips were taken from videos.
        record: how videos became records, `RecordSettings.to_json`.
        settings: what is exported, and how.
        card: what else is known of the model's origin; goes to `assets/model.json`.
        folder: of the version; it must not exist, a served model is never overwritten.

    Raises:
        ValueError: the frame size is wrong, or a converter cannot take the model.
    """
    conversion.check(settings, model.static.dtype_policy.compute_dtype)
    clips = make_clips(data, record_config.RecordSettings.from_json(record), settings)
    streams = list(config.STREAMS) if settings.motion != "none" else ["static"]
    values = {
        "num_frames": clips.num_frames,
        "crop_size": clips.crop_size,
        "frame_size": [clips.height, clips.width],
        "streams": streams,
        "sampling": data.sampling,
        "record": record,
        "flow_in_graph": None if clips.flow is None else record["flow"] if record["flow"] in _IN_GRAPH else "tvl1",
        "export": settings.to_json(),
        **card,
    }
    served = signatures.Signatures(model, labels, clips, int8=settings.quantise == "int8")
    converted = conversion.convert(served, settings)
    with storage.created(folder) as partial:
        shutil.rmtree(partial, ignore_errors=True)
        served.write(str(partial))
        assets = partial / "assets"
        assets.mkdir(exist_ok=True)
        (assets / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
        (assets / "model.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        (assets / "MODEL_CARD.md").write_text(card_lib.to_markdown(values, labels), encoding="utf-8")
        frames = np.zeros([1, _FRAMES_OF_WARMUP, clips.height, clips.width, 3], np.uint8)
        warmup.write(partial / "assets.extra", {"serving_default": {"frames": frames}})
    for suffix, content in converted.items():
        with storage.created(folder.parent / f"{folder.name}{suffix}") as file:
            file.write_bytes(content)
    keras.backend.clear_session()


def make_clips(
    data: config.DataConfig, record: record_config.RecordSettings, settings: config.ExportConfig
) -> raw_clips.RawClips:
    """How the exported model takes clips from raw frames.

    Raises:
        ValueError: the frame size is not one of the records, or smaller than the crop.
    """
    resize = video.Resize.parse(record.resize)
    if resize.is_fixed:
        width, height = resize.sides
        if settings.frame_size not in ("", f"{width}x{height}"):
            raise ValueError(
                f"`frame_size` must be that of the records, {width}x{height}, or empty. "
                f"Received: frame_size={settings.frame_size!r}"
            )
    else:
        short_side = resize.sides[0]
        width, height = short_side * 4 // 3, short_side
        if settings.frame_size:
            chosen = video.Resize.parse(settings.frame_size)
            if not chosen.is_fixed or min(chosen.sides) != short_side:
                raise ValueError(
                    f"`frame_size` must be WIDTHxHEIGHT whose shorter side is the {short_side} pixels of the records. "
                    f"Received: frame_size={settings.frame_size!r}"
                )
            width, height = chosen.sides
    return raw_clips.RawClips(
        num_frames=data.test_frames,
        crop_size=data.crop_size,
        sampling_method=data.sampling,
        height=height,
        width=width,
        flow=None if settings.motion == "none" else _IN_GRAPH.get(record.flow, tvl1.TVL1Params()),
        compiled=settings.xla != "none",
        pairs_at_once=settings.flow_batch,
        stored_positions=record.positions,
        jpeg_quality=record.jpeg_quality,
        multiple=1 if resize.is_fixed else methods.COMPILED_MULTIPLE,
    )

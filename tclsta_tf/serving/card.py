"""The model card: what the exported model is, for people."""

from collections.abc import Mapping, Sequence
from typing import Any


def to_markdown(values: Mapping[str, Any], labels: Sequence[str]) -> str:
    """Writes the card.

    Args:
        values: what stands in `assets/model.json`.
        labels: class names in index order.

    Returns:
        Markdown.
    """
    height, width = values["frame_size"]
    data, record = values.get("data", {}), values["record"]
    streams = " and ".join(values["streams"])
    sections = {
        "What it does": [
            f"Classifies videos into {len(labels)} classes, with the {streams} stream"
            f"{'s' if len(values['streams']) > 1 else ''} of TCLSTA (Peng, Zhao, Zhang, IEEE TCSVT 2018).",
            f"It looks at {values['num_frames']} frames of a video, at the {values['crop_size']}x{values['crop_size']} "
            f"pixels in the middle of frames of {width}x{height}.",
        ],
        "Data": [f"- {name.replace('_', ' ')}: {value}" for name, value in data.items() if value not in (None, "")]
        or ["not recorded"],
        "Measured": _metrics(values.get("metrics", {})),
        "Input": [
            f"Frames are resized to `{record['resize']}` (width x height) and sent as bytes, RGB. "
            + _flow_sentence(values),
        ],
        "Limits": [
            "It knows the classes below and no others, and gives each video scores for all of them; scores are not "
            "calibrated probabilities. It was measured on videos like those it was trained on; on others it is worse.",
        ],
        "Origin": [
            f"- git revision: {values.get('git_revision') or 'not recorded'}",
            f"- export: {', '.join(f'{name}={value}' for name, value in values['export'].items())}",
            "- all settings: `model.json` beside this file",
        ],
        "Classes": [", ".join(labels)],
    }
    parts = [f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items()]
    return "# Model card\n\n" + "\n\n".join(parts) + "\n"


def _metrics(metrics: Mapping[str, Any]) -> list[str]:
    if not metrics:
        return ["not recorded"]
    protocol = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in metrics["protocol"].items())
    lines = [f"Row `{metrics['row']}` on {metrics['num_videos']} test videos ({protocol}):", ""]
    for name in ("overall_accuracy", "mean_class_accuracy", "top5_accuracy", "mean_average_precision"):
        if metrics.get(name) is not None:
            lines.append(f"- {name.replace('_', ' ')}: {metrics[name]:.4f}")
    return lines


def _flow_sentence(values: Mapping[str, Any]) -> str:
    of_model, of_records = values["flow_in_graph"], values["record"]["flow"]
    if of_model is None:
        return "There is no optical flow."
    if of_model == of_records:
        return f"The model computes optical flow itself, by the method it was trained on (`{of_records}`)."
    return (
        f"The model computes optical flow itself, by `{of_model}`, while it was trained on `{of_records}`: scores of "
        "raw frames differ from those of the evaluation. Signature `precomputed` takes flow of any method."
    )

"""What a part is trained with, saved beside its checkpoints; nothing else may go on with them or use them."""

import hashlib
import json

from tclsta_tf import config
from tclsta_tf.recipes import run as run_lib
from tfrecords_tools import manifest

# What may differ between two runs in one folder: it decides where numbers are computed, or how videos are tested.
_FREE = {
    "device": ("distribution", "logical_cpus", "histograms", "xla"),
    "data": ("shard_by", "test_crops", "test_clips", "clip_pooling", "frame_protocol"),
    "stream": ("cache_dir",),
}


def claim(run: run_lib.Run, part: str) -> None:
    """Makes the folder of a part belong to this configuration and data, or checks that it does.

    Raises:
        ValueError: where it belongs to others; names the first setting that differs.
    """
    folder = run.part_dir(part)
    if _is_begun(run, part):
        verify(run, part)
        return
    # Nothing has been trained here: a first try that failed before its first checkpoint does not bind the next.
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flags.cfg").write_text(run.flags, encoding="utf-8")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in run.labels), encoding="utf-8")
    manifest.write_atomically(folder / "config.json", json.dumps(of(run, part), indent=1) + "\n")


def verify(run: run_lib.Run, part: str, with_records: bool = True) -> None:
    """Checks that a trained part belongs to this configuration and, `with_records`, to this data.

    Raises:
        ValueError: where it is not trained, or belongs to others; names the first setting that differs.
    """
    folder = run.part_dir(part)
    file = folder / "config.json"
    if not file.exists():
        if _is_begun(run, part):
            raise ValueError(f"{folder} does not say what it was made with: {file.name} is missing. Delete the folder")
        raise ValueError(f"{run.model_file(part)} does not exist: train --part={part} to its end first")
    _compare(run, json.loads(file.read_text(encoding="utf-8")), of(run, part, with_records), folder)


def _is_begun(run: run_lib.Run, part: str) -> bool:
    return run.model_file(part).exists() or any(run.part_dir(part).glob("checkpoints*/*.index"))


def of(run: run_lib.Run, part: str, with_records: bool = True) -> dict[str, dict[str, object]]:
    """All that decides how a part is trained: group -> setting -> value, and `with_records` what the records are."""
    groups = {
        "static": ("static",),
        "motion": ("motion", "motion_stream"),
        "collaborative": ("network", "collaborative", "static", "motion", "motion_stream"),
    }[part]
    values = run.config.to_json()
    kept = {group: dict(values[group]) for group in ("data", "stream", *groups, "device")}
    for group, names in _FREE.items():
        for name in names:
            kept[group].pop(name)
    if run.fold:
        kept["data"]["fold"] = list(run.fold)
    if not with_records:
        return kept
    shards = sorted(shard.sha256 for shard in run.manifest.shards)
    digest = hashlib.sha256("\n".join([*run.labels, *shards]).encode()).hexdigest()
    record = run.manifest.record.to_json()
    return kept | {"records": {"labels": list(run.labels), "sha256": digest, "settings": record}}


def _compare(
    run: run_lib.Run, theirs: dict[str, dict[str, object]], mine: dict[str, dict[str, object]], folder: object
) -> None:
    for group, values in mine.items():
        for name, value in values.items():
            before = theirs.get(group, {}).get(name)
            if before == value:
                continue
            if group == "records":
                raise ValueError(f"{folder} was trained on other records than {run.data_dir}: use another --workdir")
            flag = config.FLAG_PREFIXES.get(group, "") + name
            # The flags of a run below another one are not those of the command.
            instead = "" if run.root else f", or --flagfile={folder}/flags.cfg"
            raise ValueError(
                f"{folder} was made with --{flag}={before}, this run says --{flag}={value}. "
                f"Use another --workdir{instead}"
            )

"""Several runs that differ in split and seed only, and their common result.

W/split-1, W/split-2, ...    one run each (`--splits=1,2,3`), or
W/group-1, W/group-2, ...    each leaves out one group (`--leave_one_group_out`), or
W/seed-0/split-1, ...        both, with `--seeds=0,1,2`
W/experiment.json            which they are
W/report                     mean and deviation
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from tclsta_tf.evaluation import intervals as intervals_lib
from tclsta_tf.evaluation import protocols
from tclsta_tf.recipes import results
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.recipes import scores as scores_lib
from tfrecords_tools import manifest


@dataclasses.dataclass(frozen=True)
class Members:
    """The runs of an experiment.

    Attributes:
        splits: names of the splits, or numbers of the groups that are left out, as asked for.
        seeds: the seeds, as asked for.
        by_group: whether a split leaves out one group.
        runs: (split, seed) -> run.
        folders: (split, seed) -> its folder below that of the experiment.
    """

    splits: tuple[str, ...]
    seeds: tuple[int, ...]
    by_group: bool
    runs: dict[tuple[str, int], run_lib.Run]
    folders: dict[tuple[str, int], str]

    @property
    def all_splits(self) -> list[str]:
        """Each split of the runs once."""
        return list(dict.fromkeys(split for split, _ in self.runs))

    @property
    def all_seeds(self) -> list[int]:
        """Each seed of the runs once."""
        return list(dict.fromkeys(seed for _, seed in self.runs))


def make_members(
    run: run_lib.Run, splits: Sequence[str] = (), seeds: Sequence[int] = (), by_group: bool = False
) -> Members | None:
    """The runs of an experiment over several splits or seeds.

    Args:
        run: whose folder holds all of them, and whose split and seed are taken where there are no others.
        splits: names of splits, or numbers of groups; none for the run's own split, or for all groups.
        seeds: seeds; none for that of the run.
        by_group: a split leaves out one group.

    Returns:
        None where there is nothing to choose, and the run is the only one.

    Raises:
        ValueError: a split or seed is named twice, or unknown; or the records know no groups.
    """
    if not splits and not seeds and not by_group:
        return None
    for name, values in (("splits", splits), ("seeds", seeds)):
        if len(set(values)) < len(values):
            raise ValueError(f"--{name} must name each once. Received: --{name}={','.join(map(str, values))}")
    known = manifest.Manifest.load(run.data_dir).splits
    if by_group:
        run = dataclasses.replace(run, leaves_out_group=True)
        splits = splits or known
    for split in splits:
        if split not in known:
            raise ValueError(f"--splits must be among {', '.join(known)}. Received: {split}")
    kind = "group" if by_group else "split"
    runs, folders = {}, {}
    for seed in seeds or [run.config.device.seed]:
        for split in splits or [run.config.data.split]:
            folder = "/".join([f"seed-{seed}"] * bool(seeds) + [f"{kind}-{split}"] * bool(splits))
            runs[split, seed], folders[split, seed] = run.member(folder, split, seed), folder
    next(iter(runs.values())).manifest  # noqa: B018 - what is wrong with the records shows before anything is made
    return Members(tuple(splits), tuple(seeds), by_group, runs, folders)


def save(run: run_lib.Run, members: Members) -> None:
    """Notes what an experiment consists of, for later commands that get its folder only."""
    values = {"splits": list(members.splits), "seeds": list(members.seeds), "by_group": members.by_group}
    run.workdir.mkdir(parents=True, exist_ok=True)
    manifest.write_atomically(run.workdir / run_lib.EXPERIMENT, json.dumps(values, indent=1) + "\n")


def load(run: run_lib.Run) -> Members | None:
    """The members that `save` noted; None where the run is a single one."""
    file = run.workdir / run_lib.EXPERIMENT
    return make_members(run, **json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


@dataclasses.dataclass(frozen=True)
class Common:
    """The result of all members.

    Attributes:
        results: row -> mean of each metric, over splits and then over seeds.
        deviations: row -> sample standard deviation of each metric over seeds, or over splits where there is one seed.
        intervals: row -> metric -> ends of its 95 % interval over videos; of the overall accuracy.
        comparisons: (row, row) -> how the second differs from the first, over all videos of all splits.
        saved: (split, seed) -> what its evaluation wrote.
        scores: row -> scores of all splits' videos one after the other, mean over seeds: float [n, C].
        videos: these videos.
    """

    results: dict[str, dict[str, float | int]]
    deviations: dict[str, dict[str, float]]
    intervals: dict[str, dict[str, tuple[float, float]]]
    comparisons: dict[tuple[str, str], intervals_lib.Comparison]
    saved: dict[tuple[str, int], dict[str, Any]]
    scores: dict[str, np.ndarray]
    videos: scores_lib.Videos


def combine(members: Members) -> Common:
    """Reads what the evaluations of the members wrote and takes mean and deviation.

    Raises:
        ValueError: a member is not evaluated.
    """
    saved = {key: results.read_metrics(run.report_dir) for key, run in members.runs.items()}
    rows = [row for row in next(iter(saved.values()))["results"] if all(row in of["results"] for of in saved.values())]
    by_seed = {
        row: [
            protocols.summarise_splits([saved[split, seed]["results"][row] for split in members.all_splits])
            for seed in members.all_seeds
        ]
        for row in rows
    }
    means = {row: protocols.summarise_splits([of.mean for of in found]) for row, found in by_seed.items()}
    spread = {row: means[row].deviation if len(members.all_seeds) > 1 else by_seed[row][0].deviation for row in rows}
    merged = {row: means[row].mean | {protocols.COUNT_KEY: by_seed[row][0].mean[protocols.COUNT_KEY]} for row in rows}
    read = {key: results.read_scores(run.report_dir) for key, run in members.runs.items()}
    parts = [[read[split, seed] for seed in members.all_seeds] for split in members.all_splits]
    videos = scores_lib.concatenate([part[0].videos for part in parts])
    labelled = videos.truth.any(axis=1)
    right = {row: _over_parts(parts, lambda of, row=row: of.right(row).astype(float))[labelled] for row in rows}
    ids = videos.ids[labelled]  # HMDB51 tests some videos in more than one split: these are no further evidence
    pairs = [
        (found["first"], found["second"]) for found in next(iter(saved.values()))["comparisons"]
        if found["first"] in right and found["second"] in right
    ]  # fmt: skip
    return Common(
        results=merged,
        deviations=spread,
        intervals={row: {"overall_accuracy": intervals_lib.bootstrap(values, ids)} for row, values in right.items()},
        comparisons={pair: intervals_lib.compare(right[pair[0]], right[pair[1]], ids) for pair in pairs},
        saved=saved,
        scores={row: _over_parts(parts, lambda of, row=row: of.rows[row]) for row in rows},
        videos=videos,
    )


def _over_parts(parts: Sequence[Sequence[results.Scores]], value: Any) -> np.ndarray:
    """Mean over the seeds of each split, the splits one after the other."""
    return np.concatenate([np.mean([value(of) for of in part], axis=0) for part in parts])

"""Several splits and seeds, and their common result; two runs beside each other."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from tclsta_tf.evaluation import metrics
from tclsta_tf.recipes import compare, protocol, report, results, run, scores


def write_report(member, found, values):
    member.report_dir.mkdir(parents=True)
    results.write_scores(member.report_dir / results.SCORES_FILE, found)
    results.write_metrics(member.report_dir, values)


@pytest.fixture(scope="module")
def members(finished, tmp_path_factory, tiny_records):
    """Two splits with two seeds each, with the report of the finished run but scores drawn by chance."""
    whole = run.Run(finished.config, tiny_records, tmp_path_factory.mktemp("members"), "--split=1\n")
    made = protocol.make_members(whole, ["1", "2"], [0, 1])
    protocol.save(whole, made)
    found, values = results.read_scores(finished.report_dir), results.read_metrics(finished.report_dir)
    for (split, seed), member in made.runs.items():
        with run.open_test_part():
            videos = scores.describe(member.subset("test").videos, len(found.classes))
        drawn = np.random.default_rng([int(split), seed])
        rows = {row: drawn.dirichlet(np.ones(len(found.classes)), len(videos)) for row in found.rows}
        measured = {row: metrics.summarise(of, videos.labels) for row, of in rows.items()}
        changed = {"split": split, "seed": seed, "flags": member.config.to_json(), "num_test_videos": len(videos)}
        write_report(
            member,
            results.Scores(videos, found.classes, rows),
            values | changed | {"results": values["results"] | measured},
        )
    report.report_members(whole, made)
    return whole, made


def test_members_have_folders_splits_and_seeds_of_their_own(members):
    whole, made = members
    assert [str(of.workdir.relative_to(whole.workdir)) for of in made.runs.values()] == [
        "seed-0/split-1", "seed-0/split-2", "seed-1/split-1", "seed-1/split-2",
    ]  # fmt: skip
    for (split, seed), of in made.runs.items():
        assert (of.config.data.split, of.config.device.seed) == (split, seed)
        assert of.flags.endswith(f"--split={split}\n--seed={seed}\n")
    again = protocol.load(whole)
    assert again.runs.keys() == made.runs.keys()


def test_the_mean_is_over_splits_and_the_deviation_over_seeds(members):
    whole, made = members
    values = json.loads((whole.report_dir / "metrics.json").read_text())
    single = {key: json.loads((of.report_dir / "metrics.json").read_text()) for key, of in made.runs.items()}
    for row, found in values["results"].items():
        accuracy = {key: of["results"][row]["overall_accuracy"] for key, of in single.items()}
        by_seed = [np.mean([accuracy[split, seed] for split in ("1", "2")]) for seed in (0, 1)]
        assert found["overall_accuracy"] == pytest.approx(np.mean(by_seed))
        assert values["deviations"][row]["overall_accuracy"] == pytest.approx(np.std(by_seed, ddof=1))
        low, high = values["intervals"][row]["overall_accuracy"]
        assert 0 <= low <= high <= 1
    counts = [single[split, 0]["num_test_videos"] for split in ("1", "2")]
    assert values["num_test_videos"] == sum(counts) == values["results"]["TCLSTA"]["num_videos"]
    page = (whole.report_dir / "index.html").read_text()
    assert (
        "splits 1, 2, 2 seeds" in page
        and not re.search(r">\s*NaN", page)
        and "nan" not in (whole.report_dir / "tables.txt").read_text()
    )


def reported(finished, folder, splits, seeds, without=(), **values):
    """Members that all have the report of the finished run, without some rows and with further values."""
    whole = run.Run(finished.config, finished.data_dir, folder)
    made = protocol.make_members(whole, splits, seeds)
    found = results.read_scores(finished.report_dir)
    rows = {row: of for row, of in found.rows.items() if row not in without}
    single = results.read_metrics(finished.report_dir) | values
    single["results"] = {row: of for row, of in single["results"].items() if row not in without}
    for (split, _), member in made.runs.items():
        write_report(member, dataclasses.replace(found, rows=rows), single | {"split": split})
    return whole, made


def test_a_video_that_two_splits_test_counts_once(finished, tmp_path):
    whole, made = reported(finished, tmp_path, ["1", "2"], [])
    common, single = protocol.combine(made), results.read_metrics(finished.report_dir)
    assert len(common.videos) == 12
    for row, ends in common.intervals.items():
        assert ends["overall_accuracy"] == tuple(single["intervals"][row]["overall_accuracy"])
    for found in single["comparisons"]:
        of_both = common.comparisons[found["first"], found["second"]]
        assert of_both.interval == tuple(found["interval"]) and of_both.p_value is None
    report.report_members(whole, made)
    again = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-again"))
    (line,) = compare.compare([tmp_path, again], ["frame"])[-1].rows
    assert line[3] == "-45.9 to +45.9"  # that of six videos, not of twelve


def test_the_whole_method_of_the_release_network_is_its_one_head(finished, tmp_path):
    without = ("TCLSTA", "two-stream+STA+CLN+AWL")
    whole, made = reported(finished, tmp_path, ["1", "2"], [], without)
    report.report_members(whole, made)
    page = (whole.report_dir / "index.html").read_text()
    assert re.search(r'class="headlines"><li><span>two-stream\+STA\+CLN</span>', page)


def test_the_common_report_has_mean_speeds(finished, tmp_path):
    speed = {"frames_per_second": {"decode": 40.0, "all": 10.0}}
    whole, made = reported(finished, tmp_path, [], [0, 1], speed=speed)
    values = results.read_metrics(made.runs["1", 1].report_dir)
    values["speed"]["frames_per_second"] = {"decode": 120.0, "all": 30.0}
    results.write_metrics(made.runs["1", 1].report_dir, values)
    report.report_members(whole, made)
    assert results.read_metrics(whole.report_dir)["speed"]["frames_per_second"] == {"decode": 60.0, "all": 15.0}
    assert "Table IX" in report.read_tables(whole, all_of_them=True)


def test_one_member_has_no_deviation(finished, tmp_path):
    whole, made = reported(finished, tmp_path, ["1"], [])
    report.report_members(whole, made)
    assert "±" not in report.read_tables(whole, all_of_them=True)


def test_runs_are_compared_where_one_member_lacks_a_row(finished, tmp_path):
    whole, made = reported(finished, tmp_path / "whole", [], [0, 1])
    _, less = reported(finished, tmp_path / "less", [], [0], ["frame"])
    shutil.copytree(less.runs["1", 0].report_dir, made.runs["1", 0].report_dir, dirs_exist_ok=True)
    report.report_members(whole, made)
    rows = [row[0] for row in compare.compare([whole.workdir, finished.workdir])[-2].rows]
    assert "frame+STA" in rows and "frame" not in rows


def test_splits_and_seeds_that_are_not_there_are_refused(finished, tmp_path, tiny_records):
    whole = run.Run(finished.config, tiny_records, tmp_path)
    with pytest.raises(ValueError, match="--splits must be among 1, 2. Received: 9"):
        protocol.make_members(whole, ["1", "9"], [])
    with pytest.raises(ValueError, match="--seeds must name each once. Received: --seeds=1,1"):
        protocol.make_members(whole, [], [1, 1])
    with pytest.raises(ValueError, match="--leave_out_group needs records with a partition for each group"):
        protocol.make_members(whole, by_group=True)
    assert protocol.make_members(whole) is None and protocol.load(whole) is None
    with pytest.raises(ValueError, match="metrics.json does not exist: run `python -m tclsta_tf.evaluate` first"):
        report.report_members(whole, protocol.make_members(whole, ["1"]))


def test_compare_shows_differences_video_by_video(finished, members, tmp_path):
    whole, made = members
    first, second = made.runs["1", 0].workdir, made.runs["1", 1].workdir
    settings, accuracies, differences = compare.compare([first, second])
    assert ("device.seed", "0", "1") in settings.rows
    assert [row[0] for row in accuracies.rows] == [row[1] for row in differences.rows]
    right = [results.read_scores(folder / "report").right("TCLSTA") for folder in (first, second)]
    (line,) = [row for row in differences.rows if row[1] == "TCLSTA"]
    assert line[0] == "seed-1/split-1"
    assert line[2] == f"{100 * (right[1].mean() - right[0].mean()):+.1f}"
    assert line[5:7] == (str((right[0] & ~right[1]).sum()), str((right[1] & ~right[0]).sum()))
    (only,) = compare.compare([first, finished.workdir], ["TCLSTA"])[-1].rows
    assert only[1] == "TCLSTA"
    other = shutil.copytree(finished.workdir, tmp_path / "whole", ignore=shutil.ignore_patterns("report"))
    with pytest.raises(ValueError, match="metrics.json does not exist: run `python -m tclsta_tf.evaluate` first"):
        compare.compare([first, other])
    with pytest.raises(ValueError, match="were tested on different videos: 6 and 12, 6 of them in both"):
        compare.compare([first, whole.workdir])
    with pytest.raises(ValueError, match="--rows must be among .*TCLSTA.* Received: tclsta"):
        compare.compare([first, second], ["tclsta"])

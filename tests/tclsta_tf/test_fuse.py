"""Fusing score files: from files to table, weights and charts. Only the last tests start a command."""

import dataclasses
import functools
import json
import pathlib

import numpy as np
import pytest
from scipy import special

from tclsta_tf.data import score_files
from tclsta_tf.evaluation import metrics
from tclsta_tf.fusion import adaptive_weights, cross_validation, multiple_kernel, score_fusion
from tclsta_tf.recipes import fuse_scores, fuse_settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLASSES = ("jump", "run", "wave", "walk")
QUALITIES = ([3, 3, 0, 0], [0, 0, 3, 3])
SETTINGS = fuse_settings.FuseSettings(trade_offs=(5e-3, 0.1), floors=(0.1, 0.5), strengths=(0.3, 20.0))


def _streams(seed, num_videos, prefix):
    """Two files of the same videos, whose streams know different classes; groups of 3 videos."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, num_videos).astype(np.int32)
    files = []
    for quality in QUALITIES:
        logits = rng.normal(size=(num_videos, 4))
        logits[np.arange(num_videos), labels] += np.asarray(quality)[labels]
        files.append(
            score_files.ScoreFile(
                special.softmax(2 * logits, axis=1),
                labels,
                np.array([f"{prefix}{i}" for i in range(num_videos)]),
                np.array([f"{prefix}{i // 3}" for i in range(num_videos)]),
                CLASSES,
            )
        )
    return files


def _reordered(file, order, columns):
    return score_files.ScoreFile(
        scores=file.scores[order][:, columns],
        labels=np.argsort(columns)[file.labels[order]].astype(np.int32),
        ids=file.ids[order],
        groups=file.groups[order],
        classes=tuple(CLASSES[column] for column in columns),
    )


@pytest.fixture
def paths(tmp_path):
    """Files of 60 test videos and 90 to fit on; videos and classes in several orders, that of test/static counts."""
    result = {}
    for part, seed, count in (("", 0, 60), ("fit_", 1, 90)):
        static, motion = _streams(seed, count, part or "test_")
        motion = _reordered(motion, np.random.default_rng(2).permutation(count), np.array([2, 0, 3, 1]))
        if part:
            static = _reordered(static, np.arange(count), np.array([1, 2, 3, 0]))
        for name, file, suffix in (("static", static, ".npz"), ("motion", motion, ".csv")):
            result[part + name] = str(tmp_path / f"{part}{name}{suffix}")
            score_files.save(tmp_path / f"{part}{name}{suffix}", file)
    return result


def _rewrite(path, **changes):
    score_files.save(pathlib.Path(path), dataclasses.replace(score_files.load(path), **changes))


def test_every_method_is_what_its_module_makes_of_the_files(paths, tmp_path):
    output_dir = tmp_path / "new" / "fused"
    text = fuse_scores.fuse_files(**paths, settings=SETTINGS, output_dir=output_dir)
    static, motion = _streams(0, 60, "test_")
    fit = [file.scores for file in _streams(1, 90, "fit_")]
    fit_labels, groups = _streams(1, 90, "fit_")[0].labels, _streams(1, 90, "fit_")[0].groups
    written = json.loads((output_dir / "metrics.json").read_text())

    def fused(method):
        file = score_files.load(str(output_dir / f"fused-{method}.npz"))
        np.testing.assert_array_equal(file.ids, static.ids)
        np.testing.assert_array_equal(file.labels, static.labels)
        np.testing.assert_array_equal(file.groups, static.groups)
        assert file.classes == CLASSES
        return file.scores

    np.testing.assert_allclose(fused("late"), (static.scores + motion.scores) / 2)
    np.testing.assert_allclose(fused("late-1-1.5"), score_fusion.late_fusion(static.scores, motion.scores, (2, 3)))
    np.testing.assert_allclose(
        fused("late-grid"),
        score_fusion.late_fusion(static.scores, motion.scores, written["settings"]["late-grid"]["weights"]),
    )
    for method, name in (("awl-lp", "lp"), ("awl-regularised", "regularised")):
        chosen = written["settings"][method]
        assert chosen == dataclasses.asdict(
            cross_validation.choose_adaptive(
                *fit, fit_labels, groups, name, SETTINGS.trade_offs, SETTINGS.floors, SETTINGS.strengths
            )
        )
        weights = adaptive_weights.fit_adaptive_weights(
            *fit, fit_labels, name, chosen["trade_off"], chosen["floor"], chosen["strength"]
        )
        np.testing.assert_allclose(fused(method), adaptive_weights.fuse_adaptive(static.scores, motion.scores, weights))
        np.testing.assert_allclose([written["fusion_weights"][method][name] for name in CLASSES], weights)
    assert written["settings"]["awl-lp"]["floor"] == 0.1  # the streams know different classes
    machine = multiple_kernel.fit_multiple_kernels(*fit, fit_labels)
    np.testing.assert_allclose(fused("mkl"), machine.scores(static.scores, motion.scores))
    kernels = [list(written["kernel_weights"][name].values()) for name in CLASSES]
    np.testing.assert_allclose(kernels, machine.kernel_weights)

    for method in SETTINGS.methods:
        scores = fused(method.replace(":", "-"))
        assert written["results"][method] == metrics.summarise(scores, static.labels)
        assert method in text
    assert written["results"]["motion"] == metrics.summarise(motion.scores, static.labels)
    assert written["num_test_videos"] == 60 and written["num_fit_videos"] == 90 and written["num_classes"] == 4
    by_class = ["awl-lp", "awl-regularised", "mkl"]
    assert list(written["fusion_weights"]) == by_class
    for method in by_class:
        assert (output_dir / f"fusion_weights-{method}.png").read_bytes().startswith(b"\x89PNG")
        for pair in written["fusion_weights"][method].values():
            assert sum(pair) == pytest.approx(1)
    names = {f"fused-{method.replace(':', '-')}.npz" for method in SETTINGS.methods}
    names |= {f"fusion_weights-{method}.png" for method in by_class}
    assert {path.name for path in output_dir.iterdir()} == names | {"metrics.json"}


def test_labels_of_the_videos_to_be_fused_change_no_score(paths, tmp_path):
    def scores(name):
        fuse_scores.fuse_files(**paths, settings=SETTINGS, output_dir=tmp_path / name)
        return {path.name: score_files.load(str(path)).scores for path in (tmp_path / name).glob("*.npz")}

    before = scores("before")
    wrong = np.random.default_rng(3).permutation(score_files.load(paths["static"]).labels)
    _rewrite(paths["static"], labels=wrong)
    _rewrite(paths["motion"], labels=None)
    after = scores("after")
    _rewrite(paths["static"], labels=None)
    without = scores("without")
    assert len(before) == len(SETTINGS.methods)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
        np.testing.assert_array_equal(without[name], values)
    results = [json.loads((tmp_path / name / "metrics.json").read_text())["results"] for name in ("before", "after")]
    assert results[0]["late"] != results[1]["late"]


def test_without_fit_files_only_fixed_weights_are_used(paths):
    pair = {"static": paths["static"], "motion": paths["motion"]}
    lines = fuse_scores.fuse_files(**pair).splitlines()
    assert [line.split()[0] for line in lines[3:-1]] == ["static", "motion", "late", "late-1:1.5"]
    assert lines[-1].startswith("late-grid, awl-lp, awl-regularised, mkl left out") and "--fit_static" in lines[-1]
    lines = fuse_scores.fuse_files(**pair, settings=fuse_settings.FuseSettings(("late-0:2",))).splitlines()
    assert lines[-1].split()[1:] == lines[-2].split()[1:]  # motion alone
    with pytest.raises(ValueError, match="awl-lp left out: their weights are learned. Give --fit_static"):
        fuse_scores.fuse_files(**pair, settings=fuse_settings.FuseSettings(("awl-lp",)))


def test_logits_are_fused_as_their_softmax(paths, tmp_path):
    expected = fuse_scores.fuse_files(**paths, settings=SETTINGS)
    for name in ("motion", "fit_motion"):
        _rewrite(paths[name], scores=np.log(score_files.load(paths[name]).scores) + 3)
    with pytest.raises(ValueError, match=r"motion.csv: scores must lie in \[0, 1\].*--logits"):
        fuse_scores.fuse_files(**paths, settings=SETTINGS)
    assert fuse_scores.fuse_files(**paths, settings=SETTINGS, logits=("motion",)) == expected


def test_a_class_absent_from_the_fit_and_one_of_a_single_video(paths, tmp_path):
    fit = score_files.load(paths["fit_static"])
    jump, run, walk = (fit.classes.index(name) for name in ("jump", "run", "walk"))
    labels = fit.labels.copy()
    labels[labels == walk] = jump
    labels[np.flatnonzero(labels == run)[1:]] = jump
    _rewrite(paths["fit_static"], labels=labels)
    _rewrite(paths["fit_motion"], labels=None)
    fuse_scores.fuse_files(**paths, settings=SETTINGS, output_dir=tmp_path / "out")
    written = json.loads((tmp_path / "out" / "metrics.json").read_text(), parse_constant=pytest.fail)
    for method in ("awl-lp", "awl-regularised"):
        assert written["fusion_weights"][method]["walk"] == [0.5, 0.5]
    for path in (tmp_path / "out").glob("*.npz"):
        assert np.isfinite(score_files.load(str(path)).scores).all()


def test_files_that_must_not_be_fused_are_refused_and_nothing_is_written(paths, tmp_path):
    output_dir = tmp_path / "out"

    def refused(message, **changes):
        with pytest.raises((ValueError, OSError), match=message) as raised:
            fuse_scores.fuse_files(**{**paths, **changes}, settings=SETTINGS, output_dir=output_dir)
        assert "\n" not in str(raised.value) and not output_dir.exists()

    refused("holds 60 of the videos to be fused, e.g. 'test_0'", fit_static=paths["static"], fit_motion=paths["motion"])
    refused("must hold the same videos; 'test_0' is in", motion=paths["fit_motion"])
    refused("`fit_static` and `fit_motion` belong together", fit_motion=None)
    refused("does not exist", fit_motion="nowhere.csv")
    _rewrite(paths["fit_static"], labels=None)
    _rewrite(paths["fit_motion"], labels=None)
    refused("neither .*fit_static.npz nor .*fit_motion.csv has labels; without them no weights")
    for name in ("static", "motion"):
        _rewrite(paths[name], labels=None)
    with pytest.raises(ValueError, match="has labels to measure the result by, and without --output_dir"):
        fuse_scores.fuse_files(**paths)


def test_the_same_files_without_ids_are_still_seen_to_be_the_same(tmp_path):
    for name, file in zip(("static", "motion"), _streams(0, 30, ""), strict=True):
        score_files.save(tmp_path / f"{name}.npz", dataclasses.replace(file, ids=None, classes=None))
    pair = str(tmp_path / "static.npz"), str(tmp_path / "motion.npz")
    with pytest.raises(ValueError, match="must be other files than those to be fused"):
        fuse_scores.fuse_files(*pair, *pair)


def test_class_names_of_the_fit_files_serve_for_test_files_without(paths, tmp_path):
    static, motion = _streams(0, 60, "test_")
    for name, file in (("static", static), ("motion", motion)):
        paths[name] = str(tmp_path / f"bare_{name}.npz")
        score_files.save(pathlib.Path(paths[name]), dataclasses.replace(file, classes=None))
    fuse_scores.fuse_files(**paths, settings=SETTINGS, output_dir=tmp_path / "out")
    fused = score_files.load(str(tmp_path / "out" / "fused-late.npz"))
    assert fused.classes == score_files.load(paths["fit_static"]).classes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ()}, "`methods` must name at least one"),
        ({"methods": ("late", "svm")}, "`methods` must be among late, .*Received: 'svm'"),
        ({"methods": ("late-0:0",)}, "late-A:B needs two finite numbers >= 0, not both 0. Received: 'late-0:0'"),
        ({"methods": ("late--1:2",)}, "late-A:B needs two finite numbers"),
        ({"methods": ("late-1.5.1:2",)}, "late-A:B needs two finite numbers"),
        ({"methods": ("late", "late")}, "`methods` must differ"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fuse_settings.FuseSettings(**options)


@pytest.fixture(scope="module")
def fuse_command(run_command):
    return functools.partial(run_command, "tclsta_tf.fuse")


def test_the_command_fuses_files(paths, tmp_path, fuse_command):
    flags = [f"--{name}={path}" for name, path in paths.items()]
    choices = ["--methods=late-1:2,awl-lp", "--awl_floor=0.1,0.5", "--awl_lambda=0.005"]
    done = fuse_command(*flags, *choices, f"--output_dir={tmp_path}/out")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "60 videos" in done.stdout and "awl-lp" in done.stdout and "awl-regularised" not in done.stdout
    settings = fuse_settings.FuseSettings(("late-1:2", "awl-lp"), floors=(0.1, 0.5), trade_offs=(0.005,))
    assert done.stdout.strip() == fuse_scores.fuse_files(**paths, settings=settings).strip()
    assert (tmp_path / "out" / "fused-late-1-2.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "parts", "status"),
    [
        (["--static=a.npz"], ["--motion is missing"], 2),
        (["--static=a.npz", "--motion=a.npz"], ["a.npz does not exist"], 1),
        (["--static=a.npz", "--motion=a.npz", "--awl_floor=0.1,low"], ["--awl_floor takes numbers", "0.1,low"], 2),
    ],
)
def test_bad_flags_give_one_line(arguments, parts, status, fuse_command):
    done = fuse_command(*arguments)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert part in done.stderr

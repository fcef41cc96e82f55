import dataclasses

import numpy as np
import pytest
from scipy import special

from tclsta_tf.data import score_files

CLASSES = ("brush hair", "jump", "wave")


def _file(num_videos=5, seed=0, **changes):
    rng = np.random.default_rng(seed)
    fields = {
        "scores": rng.dirichlet(np.ones(3), num_videos),
        "labels": rng.integers(0, 3, num_videos).astype(np.int32),
        "ids": np.array([f"film, {i}" for i in range(num_videos)]),
        "groups": np.array([f"g{i // 2}" for i in range(num_videos)]),
        "classes": CLASSES,
    }
    return score_files.ScoreFile(**{**fields, **changes})


def _assert_equal(found, expected):
    for field in dataclasses.fields(expected):
        if field.name != "name":
            np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name), field.name)


@pytest.mark.parametrize("suffix", score_files.SUFFIXES)
def test_what_is_saved_is_read_back(suffix, tmp_path):
    path = tmp_path / "new" / f"scores{suffix}"
    score_files.save(path, _file())
    found = score_files.load(str(path))
    _assert_equal(found, _file())
    assert found.labels.dtype == np.int32 and found.ids.dtype.kind == "U" and found.name == str(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    bare = _file(labels=None, groups=None)
    score_files.save(path, bare)
    _assert_equal(score_files.load(str(path)), bare)


def test_only_scores_are_needed(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, scores=np.eye(3, dtype=np.float32))
    found = score_files.load(str(path))
    assert found.labels is None and found.ids is None and found.groups is None and found.classes is None
    assert found.class_names == ("0", "1", "2") and found.scores.dtype == np.float32


def test_one_of_several_rows_is_picked(tmp_path):
    scores = np.random.default_rng(1).dirichlet(np.ones(3), (2, 4)).astype(np.float32)
    path = tmp_path / "scores.npz"
    ids = np.array(list("abcd"))
    np.savez(
        path, ids=ids, labels=np.arange(4, dtype=np.int32) % 3, groups=ids, classes=CLASSES,
        rows=["frame+STA", "late-1:1.5"], scores=scores,
    )  # fmt: skip
    for row, name in enumerate(("frame+STA", "late-1:1.5")):
        found = score_files.load(f"{path}:{name}")
        np.testing.assert_array_equal(found.scores, scores[row])
        assert found.ids.tolist() == list("abcd") and found.classes == CLASSES and name in found.name
    with pytest.raises(ValueError, match=r"scores.npz has several rows; choose one as .*:ROW among frame\+STA, late"):
        score_files.load(str(path))
    with pytest.raises(ValueError, match="has no row 'flow'; choose one"):
        score_files.load(f"{path}:flow")
    np.savez(path, **{"scores/frame": scores[0], "scores/flow": scores[1], "labels": np.zeros(4, int)})
    np.testing.assert_array_equal(score_files.load(f"{path}:flow").scores, scores[1])
    np.savez(path, rows=["only"], scores=scores[:1])
    np.testing.assert_array_equal(score_files.load(str(path)).scores, scores[0])
    np.savez(path, scores=scores[0])
    with pytest.raises(ValueError, match="one row of scores and no names of rows; leave out ':flow'"):
        score_files.load(f"{path}:flow")
    np.savez(path, rows=["a", "b"], scores=scores[0])
    with pytest.raises(ValueError, match=r"shape \[rows, videos, classes\] for 2 `rows`.*\(4, 3\)"):
        score_files.load(f"{path}:a")


def test_labels_may_be_names_or_indices(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\ufeffid,label, jump ,wave\nx,wave,0.25,0.75\n\ny,0,1,0\n")
    found = score_files.load(str(path))
    assert found.labels.tolist() == [1, 0] and found.classes == ("jump", "wave") and found.groups is None
    np.testing.assert_array_equal(found.scores, [[0.25, 0.75], [1, 0]])
    np.savez(tmp_path / "a.npz", scores=np.eye(2), labels=np.array(["wave", "jump"]), classes=[b"jump", b"wave"])
    assert score_files.load(str(tmp_path / "a.npz")).labels.tolist() == [1, 0]


def test_a_number_that_is_a_class_name_is_that_class(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,label,1,0\nx,0,0.5,0.5\n")
    assert score_files.load(str(path)).labels.tolist() == [1]


def test_logits_are_told_from_probabilities():
    logits = np.array([[3.0, -1.0, 0.0], [0.1, 0.2, 800.0]])
    file = _file(2, scores=logits)
    with pytest.raises(ValueError, match=r"in \[0, 1\]; found 3 for video 'film, 0', class 'brush hair'.*--logits"):
        file.probabilities()
    np.testing.assert_allclose(file.probabilities(logits=True).scores, special.softmax(logits, axis=1))
    assert _file().probabilities().scores.dtype == np.float64


def test_files_are_aligned_by_video_and_by_class():
    first = _file()
    order, columns = np.array([3, 0, 4, 1, 2]), np.array([2, 0, 1])
    shuffled = score_files.ScoreFile(
        scores=first.scores[order][:, columns],
        labels=np.argsort(columns)[first.labels[order]].astype(np.int32),
        ids=first.ids[order],
        groups=first.groups[order],
        classes=tuple(CLASSES[column] for column in columns),
    )
    left, right = score_files.align(first, shuffled)
    _assert_equal(left, first)
    _assert_equal(right, first)
    left, right = score_files.align(dataclasses.replace(first, labels=None, groups=None), shuffled)
    _assert_equal(left, first)
    _assert_equal(right, first)
    left, right = score_files.align(first, score_files.ScoreFile(first.scores[order], ids=first.ids[order]))
    _assert_equal(right, first)


def test_without_ids_rows_are_matched_by_their_place():
    bare = score_files.ScoreFile(_file().scores, name="bare")
    left, right = score_files.align(bare, _file(ids=None))
    np.testing.assert_array_equal(left.labels, _file().labels)
    np.testing.assert_array_equal(right.scores, _file().scores)
    with pytest.raises(ValueError, match="found 4 and 5, without ids"):
        score_files.align(_file(4, ids=None), bare)
    with pytest.raises(ValueError, match="bare has no ids and motion has"):
        score_files.align(_file(name="motion"), bare)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ids": np.array(["film, 0", "film, 1", "other", "film, 3", "film, 4"])},
            "'film, 2' is in static only, as are 0",
        ),
        ({"labels": np.array([2, 0, 0, 0, 0], np.int32)}, "agree on `labels`; found .* for video 'film, "),
        ({"groups": np.array(list("abcde"))}, "agree on `groups`; found 'g0' and 'a' for video 'film, 0'"),
        ({"classes": ("brush hair", "jump", "walk")}, "'wave' is in static only"),
        ({"scores": np.eye(5), "classes": None}, "static and motion must hold the same classes; found 3 and 5"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(change, message):
    labels = np.array([1, 1, 1, 1, 1], np.int32)
    with pytest.raises(ValueError, match=message):
        score_files.align(_file(labels=labels, name="static"), _file(name="motion", **{"labels": labels, **change}))


def test_a_video_that_one_file_lacks_is_named():
    with pytest.raises(ValueError, match="'film, 3' is in static only, as are 1 more"):
        score_files.align(_file(5, name="static"), _file(3))
    with pytest.raises(ValueError, match="'film, 3' is in motion only, as are 1 more"):
        score_files.align(_file(3), _file(5, name="motion"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv is empty"),
        ("\n", r"line 1: expected the header id,label,group,CLASS"),
        ("id,label,jump\n", "has a header and no videos"),
        ("video,label,jump\nx,0,1\n", "line 1: expected the header .*found 'video,label,jump'"),
        ("id,group,label,jump\nx,0,0,1\n", "line 1: expected the header"),
        ("id,label\nx,0\n", "line 1: expected the header"),
        ("id,label,jump,\nx,0,1,0\n", "line 1: the class in column 4 has no name"),
        ("id,label,jump,jump\nx,0,1,0\n", "the class 'jump' is there more than once"),
        ("id,label,jump,wave\nx,0,1,0\nx,0,1,0\n", "the id 'x' is there more than once"),
        ("id,label,jump,wave\nx,0,1,0\ny,0,1\n", "a.csv, line 3: expected 4 cells, as in the header; found 3"),
        ("id,label,jump,wave\nx,0,1,high\n", "a.csv, line 2: expected a number for 'wave'; found 'high'"),
        ("id,label,jump,wave\nx,0,1,\n", "line 2: expected a number for 'wave'; found ''"),
        ("id,label,jump,wave\n\nx,0,nan,0\n", "line 3: scores must be finite numbers; found nan for 'jump'"),
        ("id,label,jump,wave\nx,run,1,0\n", "line 2: the label 'run' is neither a class .* nor an index below 2"),
        ("id,label,jump,wave\nx,2,1,0\n", "line 2: the label '2' is neither"),
        ("id,label,jump,wave\nx,,1,0\n", "the label '' is neither .*leave out the column"),
        ('id,label,jump,wave\n"x,0,1,0\n', "is not a CSV file"),
    ],
)
def test_a_bad_csv_file_is_named_with_its_line(text, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as raised:
        score_files.load(str(path))
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"score": np.eye(2)}, "expected the key `scores`; found score"),
        ({"scores": np.ones(3)}, r"shape \[videos, classes\] under `scores`, at least one of each; found shape \(3,\)"),
        ({"scores": np.ones((0, 3))}, r"found shape \(0, 3\)"),
        ({"scores": np.array([["a"]])}, "expected numbers .*dtype <U1"),
        ({"scores": np.array([[0, np.inf]])}, "must be finite numbers; found inf for row 0, column 1"),
        (
            {"scores": np.eye(2), "labels": np.array([1, 2])},
            r"labels must lie in \[0, 2\).*found 2 for row 1.*must be 0",
        ),
        ({"scores": np.eye(2), "labels": np.array([1.0, 0.0])}, "class indices under `labels`; found dtype float64"),
        ({"scores": np.eye(2), "labels": np.array([1])}, r"one value per video under `labels`, 2; found shape \(1,\)"),
        ({"scores": np.eye(2), "labels": np.array(["a", "b"])}, "`labels` are names; `classes` must give"),
        ({"scores": np.eye(2), "labels": np.array(["a", "c"]), "classes": ["a", "b"]}, "the label 'c' is not among"),
        ({"scores": np.eye(2), "classes": ["a"]}, "one name per column of `scores` under `classes`, 2; found 1"),
        ({"scores": np.eye(2), "ids": np.array(["a", "a"])}, "the id 'a' is there more than once"),
        ({"scores": np.eye(2), "ids": np.array([["a", "b"]])}, "expected a list of text under `ids`"),
        ({"scores": np.eye(2), "ids": np.array(["a", 1], object)}, "`ids` holds Python objects, which are not read"),
        ({"scores": np.array([[0.5, None]])}, "`scores` holds Python objects"),
        (
            {"scores": np.eye(2), "labels": np.array([0, -1]), "truth": np.array([[True, True], [False, False]])},
            "2 videos have several classes or none",
        ),
    ],
)
def test_a_bad_npz_file_is_named_with_its_key(arrays, message, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message) as raised:
        score_files.load(str(path))
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_that_is_no_npz_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"not a zip file at all")
    with pytest.raises(ValueError, match="is not an .npz file, or is damaged"):
        score_files.load(str(path))
    np.savez(path, scores=np.random.default_rng(0).random((500, 9)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is not an .npz file, or is damaged"):
        score_files.load(str(path))
    path.write_bytes(whole[:3000] + b"\0" * 500 + whole[3500:])
    with pytest.raises(ValueError, match="`scores` cannot be read; the file is damaged"):
        score_files.load(str(path))
    with path.open("wb") as stream:
        np.save(stream, np.eye(2))
    with pytest.raises(ValueError, match="one array"):
        score_files.load(str(path))
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        score_files.load(str(path))
    with pytest.raises(ValueError, match=r"scores.txt: expected a file that ends in .npz or .csv"):
        score_files.load("scores.txt")
    with pytest.raises(OSError, match="none.npz does not exist"):
        score_files.load(str(tmp_path / "none.npz:frame"))
    (tmp_path / "b.npz").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        score_files.load(str(tmp_path / "b.npz"))


def test_only_known_formats_are_written(tmp_path):
    with pytest.raises(ValueError, match="must end in .npz or .csv"):
        score_files.save(tmp_path / "a.txt", _file())
    with pytest.raises(ValueError, match="a CSV file needs ids"):
        score_files.save(tmp_path / "a.csv", _file(ids=None))
    assert list(tmp_path.iterdir()) == []

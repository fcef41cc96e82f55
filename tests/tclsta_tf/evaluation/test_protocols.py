import pytest

from tclsta_tf.evaluation import protocols


def test_mean_and_sample_deviation_over_splits():
    summary = protocols.summarise_splits(
        [
            {"overall_accuracy": 0.5, "top5_accuracy": 0.9, "num_videos": 10},
            {"overall_accuracy": 0.7, "top5_accuracy": 0.9, "num_videos": 30},
        ]
    )
    # Every split counts once, whatever its number of videos.
    assert summary.mean == {
        "overall_accuracy": pytest.approx(0.6),
        "top5_accuracy": pytest.approx(0.9),
        "num_videos": 40,
    }
    assert summary.deviation == {"overall_accuracy": pytest.approx(0.02**0.5), "top5_accuracy": pytest.approx(0.0)}
    assert summary.num_splits == 2


def test_one_split_does_not_deviate():
    summary = protocols.summarise_splits([{"overall_accuracy": 0.5, "num_videos": 10}])
    assert summary == protocols.SplitSummary({"overall_accuracy": 0.5, "num_videos": 10}, {"overall_accuracy": 0.0}, 1)


def test_splits_must_hold_the_same_metrics():
    with pytest.raises(ValueError, match=r"the same metrics.*Received: splits\[1\] with \['top5_accuracy'\]"):
        protocols.summarise_splits([{"overall_accuracy": 0.5}, {"top5_accuracy": 0.5}])


def test_no_split_is_refused():
    with pytest.raises(ValueError, match="at least one split"):
        protocols.summarise_splits([])

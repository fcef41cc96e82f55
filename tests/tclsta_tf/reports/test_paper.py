import pytest

from tclsta_tf.reports import paper, tables


def test_every_row_of_the_tables_has_a_published_figure():
    for dataset in ("hmdb51", "ucf50", "ucf101", "thumos14"):
        assert set(paper.accuracy(dataset)) == set(tables.ROW_ORDER)
        assert dataset in paper.PROTOCOLS
    assert paper.accuracy("my videos") == {}


def test_the_figures_fit_what_the_paper_says_of_them():
    """The text below Table VI names differences of its rows; Tables VI, VII and VIII share rows."""
    hmdb51, ucf50, ucf101, thumos14 = map(paper.accuracy, ("hmdb51", "ucf50", "ucf101", "thumos14"))
    gains = [("frame", 0.034), ("flow", 0.063), ("two-stream", 0.050)]
    assert all(hmdb51[f"{row}+STA"] - hmdb51[row] == pytest.approx(gain) for row, gain in gains)
    gains = [("frame", 0.022), ("flow", 0.019), ("two-stream", 0.014)]
    assert all(ucf50[f"{row}+STA"] - ucf50[row] == pytest.approx(gain) for row, gain in gains)
    for values, over_spatial, over_temporal in (
        (hmdb51, 0.035, 0.024), (ucf50, 0.009, 0.007), (ucf101, 0.005, 0.002), (thumos14, 0.031, 0.035),
    ):  # fmt: skip
        assert values["two-stream+STA"] - values["two-stream+SA"] == pytest.approx(over_spatial)
        assert values["two-stream+STA"] - values["two-stream+TA"] == pytest.approx(over_temporal)
        assert values["fusion/late"] == values["two-stream+STA"]
        assert values["fusion/awl"] == values["two-stream+STA+AWL"]
        assert values["TCLSTA"] == values["two-stream+STA+CLN+AWL"] == max(values.values())

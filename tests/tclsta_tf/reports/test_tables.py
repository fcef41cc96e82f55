import csv
import io

import pytest

from tclsta_tf.reports import tables


def _metrics(overall, num_videos=40):
    return {
        "overall_accuracy": overall,
        "mean_class_accuracy": 0.5,
        "top5_accuracy": 1.0,
        "mean_average_precision": 0.25,
        "num_videos": num_videos,
    }


RESULTS = {
    "my own": _metrics(0.1),
    "TCLSTA": _metrics(0.98765),
    "fusion/late": _metrics(0.5),
    "flow+STA": _metrics(0.0996, 9),
    "frame+STA": _metrics(0.5),
    "frame": _metrics(0.25),
}


def test_text_is_aligned_and_in_the_order_of_the_paper():
    text = tables.accuracy_table(RESULTS, caption="demo, split 1").to_text()
    assert text == (
        "demo, split 1\n"
        "variant      overall %  mean class %  top-5 %  videos\n"
        "-----------  ---------  ------------  -------  ------\n"
        "frame             25.0          50.0    100.0      40\n"
        "frame+STA         50.0          50.0    100.0      40\n"
        "flow+STA          10.0          50.0    100.0       9\n"
        "TCLSTA            98.8          50.0    100.0      40\n"
        "fusion/late       50.0          50.0    100.0      40\n"
        "my own            10.0          50.0    100.0      40\n"
    )


def test_row_order_names_every_variant_of_the_paper_once():
    assert len(set(tables.ROW_ORDER)) == len(tables.ROW_ORDER) == 12 + 4 + 4
    assert tables.ROW_ORDER[4:8] == ("flow", "flow+SA", "flow+TA", "flow+STA")
    assert tables.ROW_ORDER[11:16] == (
        "two-stream+STA",
        "two-stream+STA+CLN",
        "two-stream+STA+AWL",
        "two-stream+STA+CLN+AWL",
        "TCLSTA",
    )


def test_markdown_escapes_pipes_and_aligns_numbers_to_the_right():
    table = tables.Table(("name", "n"), (("a|b", "1"), ("line\nbreak", "22")), "Counts")
    assert table.to_markdown() == (
        "**Counts**\n\n| name       |   n |\n| ---------- | --: |\n| a\\|b       |   1 |\n| line break |  22 |\n"
    )


def test_columns_of_words_stand_to_the_left():
    table = tables.Table(("true", "predicted", "n"), (("a", "b", "1"), ("cccccc", "d", "22")), text_columns=2)
    assert table.to_text().splitlines()[2:] == ["a       b           1", "cccccc  d          22"]
    assert table.to_markdown().splitlines()[1] == "| ------ | --------- | --: |"


def test_csv_reads_back():
    table = tables.Table(("name", "value"), (('say "x", y', "1"), ("two\nlines", "2")))
    assert tuple(map(tuple, csv.reader(io.StringIO(table.to_csv())))) == (table.header, *table.rows)


def test_columns_decimals_and_deviations_can_be_chosen():
    table = tables.accuracy_table(
        {"frame": _metrics(0.123456)},
        deviations={"frame": {"overall_accuracy": 0.0062}},
        metrics=("mean_average_precision", "overall_accuracy"),
        decimals=2,
    )
    assert table.header == ("variant", "mAP %", "overall %", "videos")
    assert table.rows == (("frame", "25.00", "12.35 ± 0.62", "40"),)


def test_a_missing_metric_is_a_dash():
    assert tables.accuracy_table({"frame": {"overall_accuracy": 0.5}}).rows == (("frame", "50.0", "-", "-", "-"),)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 54.8])
def test_what_is_no_fraction_is_refused(value):
    with pytest.raises(ValueError, match=r"fractions in \[0, 1\]. Received: results\['frame'\]\['overall_accuracy'\]="):
        tables.accuracy_table({"frame": _metrics(value)})


def test_unknown_metric_and_ragged_rows_are_refused():
    with pytest.raises(ValueError, match=r"`metrics` must be among .*Received: \['f1'\]"):
        tables.accuracy_table(RESULTS, metrics=("f1",))
    with pytest.raises(ValueError, match=r"`rows` must have 2 cells each.*rows\[1\]=\('b',\)"):
        tables.Table(("x", "y"), (("a", "1"), ("b",)))


def test_intervals_and_published_figures_stand_beside_the_first_metric():
    table = tables.accuracy_table(
        {"frame+STA": _metrics(0.5481), "my own": _metrics(0.5)},
        deviations={"my own": {"overall_accuracy": 0.006}},
        intervals={"frame+STA": {"overall_accuracy": (0.501, 0.593)}, "my own": {"overall_accuracy": (0.4, 0.6)}},
        paper={"frame+STA": 0.548},
    )
    assert table.header == ("variant", "overall %", "paper %", "mean class %", "top-5 %", "videos")
    assert table.rows == (
        ("frame+STA", "54.8 [50.1, 59.3]", "54.8", "50.0", "100.0", "40"),
        ("my own", "50.0 ± 0.6 [40.0, 60.0]", "-", "50.0", "100.0", "40"),
    )
    with pytest.raises(ValueError, match=r"fractions in \[0, 1\]"):
        tables.accuracy_table({"frame": _metrics(0.5)}, intervals={"frame": {"overall_accuracy": (float("nan"), 1.0)}})


def test_several_labels_a_video_are_measured_by_average_precision():
    table = tables.accuracy_table({"frame": {"mean_average_precision": 0.5, "num_videos": 3}}, paper={"frame": 0.721})
    assert table.header == ("variant", "mAP %", "paper %", "videos")
    assert table.rows == (("frame", "50.0", "72.1", "3"),)


def test_the_papers_tables_hold_the_rows_there_are():
    names = ("flow+STA", "two-stream+STA", "TCLSTA", "fusion/late", "two-stream+SA+CLN")
    results = {name: _metrics(0.5) for name in names}
    six, seven, eight, nine = tables.paper_tables(
        results,
        "hmdb51",
        intervals={"TCLSTA": {"overall_accuracy": (0.4, 0.6)}},
        deviations={"flow+STA": {"overall_accuracy": 0.01}},
        speed={"decode": 812.26, "flow": None},
    )
    assert [row[0] for row in six.rows] == ["flow+STA", "two-stream+STA"]
    assert six.rows[0][1:3] == ("50.0 ± 1.0", "59.2")
    assert [row[:3] for row in seven.rows] == [
        ("two-stream+STA", "50.0", "67.6"),
        ("TCLSTA", "50.0 [40.0, 60.0]", "68.7"),
    ]
    assert [row[0] for row in eight.rows] == ["fusion/late"]
    assert nine.rows[:2] == (("decode", "812.3"), ("flow", "-"))
    assert [row[1] for row in nine.rows[2:]] == ["89.6", "99.7"]
    captions = [table.caption.split(":")[0] for table in (six, seven, eight, nine)]
    assert captions == ["Table VI", "Table VII", "Table VIII", "Table IX"]
    assert "paper: mean of 3 splits" in six.caption and "95 % interval" in six.caption
    for table in (six, seven, eight, nine):
        assert table.to_text() and table.to_markdown() and table.to_csv()


def test_rows_with_both_names_show_once_and_other_data_sets_have_no_published_column():
    results = {"TCLSTA": _metrics(0.5), "two-stream+STA+CLN+AWL": _metrics(0.5)}
    (seven,) = tables.paper_tables(results, "my videos")
    assert [row[0] for row in seven.rows] == ["two-stream+STA+CLN+AWL"]
    assert "paper %" not in seven.header and "paper" not in seven.caption
    assert tables.paper_tables({}, "hmdb51") == []


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_speed_is_refused(rate):
    with pytest.raises(ValueError, match=r"`speed` must hold frames per second above 0. Received: speed\['flow'\]="):
        tables.paper_tables({}, "hmdb51", speed={"flow": rate})

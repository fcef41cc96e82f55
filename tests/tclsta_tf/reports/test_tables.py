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

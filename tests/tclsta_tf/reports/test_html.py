import base64
import hashlib
import json
import re
from html import parser

import numpy as np
import pytest

from tclsta_tf.reports import explorers, figures, html, tables

PNG = figures.to_png(figures.fusion_weights(["a"], np.array([[0.4, 0.6]])), dpi=20)
JPEG = b"\xff\xd8\xff\xe0" + bytes(16)
EVIL = """<script>alert("1")</script>&'"""
VOID = {"meta", "link", "img", "wbr", "br", "hr", "input"}


class _Page(parser.HTMLParser):
    """Checks that tags nest, and collects them with their attributes and the text outside of style."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.text, self._open = [], [], []
        self.feed(page)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open and self._open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        if not {"style", "script"} & set(self._open):
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def _report(**changes):
    metrics = {"overall_accuracy": 0.684, "mean_class_accuracy": 0.5, "top5_accuracy": 0.9, "num_videos": 12}
    values = {
        "title": f"Run {EVIL}",
        "subtitle": f"split {EVIL}",
        "headlines": [html.Headline(f"accuracy {EVIL}", f"68.4 % {EVIL}", f"note {EVIL}")],
        "results": {"TCLSTA": metrics, "frame+STA": metrics | {"overall_accuracy": 0.25}, EVIL: metrics},
        "best": "TCLSTA",
        "confused": [(EVIL, "walk", 3, 0.25)],
        "sections": [
            html.Section(
                f"Part {EVIL}",
                f"text {EVIL}",
                [tables.Table((f"h {EVIL}", "n"), ((EVIL, EVIL),), f"caption {EVIL}")],
                [
                    html.Picture(f"picture {EVIL}", PNG, f"alt {EVIL}", f"how to read {EVIL}"),
                    html.Picture("wide", PNG, "a wide one", wide=True),
                ],
            )
        ],
        "confusion": explorers.Confusion([EVIL, "walk"], np.array([[2, 1], [0, 0]])),
        "classes": [explorers.ClassRow(EVIL, 3, 0.5, 0.25, 2 / 3, 0.4, 0.6), explorers.ClassRow("walk", 0)],
        "examples": [explorers.Example(JPEG, EVIL, EVIL, "walk", 0.5, f"thumbnail {EVIL}")],
        "configuration": {f"flag {EVIL}": EVIL, "learning_rate": 0.001},
        "footer": f"revision {EVIL}",
    }
    return html.Report(**(values | changes))


def test_everything_from_outside_is_escaped():
    text = html.render(_report())
    page = _Page(text)
    assert page.all("script") == [{"type": "application/json", "id": "confusion"}, {}]  # data, and the page's own
    assert text.count("<script") == 2 and 'alert("1")' not in text
    data = re.search('id="confusion">(.*)</script>', text).group(1)
    assert json.loads(data) == {"labels": [EVIL, "walk"], "counts": [[2, 1], [0, 0]]}
    # 20 places in the report, some shown twice: the page's title, the contents, the groups' names.
    assert "".join(page.text).count(EVIL) >= 20
    assert [image["alt"] for image in page.all("img")][:2] == [f"thumbnail {EVIL}", f"alt {EVIL}"]


def test_the_page_needs_no_network_and_runs_its_own_script_only():
    text = html.render(_report())
    page = _Page(text)
    assert "http:" not in text and "https:" not in text and "@import" not in text and "url(" not in text
    script = re.search("<script>(.*)</script></body>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [item["content"] for item in page.all("meta") if "http-equiv" in item]
    assert f"script-src 'sha256-{digest}';" in policy and policy.startswith("default-src 'none'; img-src data:;")
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))


def test_pictures_are_embedded_whole_with_size_and_words():
    images = _Page(html.render(_report(examples=()))).all("img")
    assert len(images) == 2
    for image in images:
        assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == PNG
        assert (int(image["width"]), int(image["height"])) == html.Picture("t", PNG, "alt").size
        assert image["alt"]
    expected = figures.fusion_weights(["a"], np.array([[0.4, 0.6]])).get_size_inches() * 20
    assert html.Picture("t", PNG, "alt").size == tuple(expected.astype(int))


def test_table_headers_say_what_they_head_and_the_best_row_stands_out():
    text = html.render(_report())
    page = _Page(text)
    assert {attributes["scope"] for attributes in page.all("th")} == {"row", "col"}
    best = re.search(r'<tr class="best">.*?</tr>', text).group()
    assert "TCLSTA" in best and "<td>68.4</td>" in best
    assert text.count('class="best"') == 1
    assert text.index("frame+<wbr>STA") < text.index("TCLSTA</th>")  # the order of the paper


def test_contents_lead_to_every_section():
    page = _Page(html.render(_report()))
    links = [attributes["href"] for attributes in page.all("a")]
    assert links == [f"#{attributes['id']}" for attributes in page.all("section")]
    assert len(links) == 6  # results, confusion, classes, examples, the section, configuration
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)


def test_the_page_adapts_to_dark_mode_and_narrow_screens():
    text = html.render(_report())
    assert "prefers-color-scheme: dark" in text
    assert _Page(text).all("meta")[1]["content"] == "width=device-width, initial-scale=1"
    scrolling = [attributes for attributes in _Page(text).all("div") if attributes.get("class") == "scroll"]
    assert scrolling and all(attributes["tabindex"] == "0" and attributes["aria-label"] for attributes in scrolling)


def test_confused_pairs_show_their_share():
    text = html.render(_report(confused=[("run", "walk", 3, 0.256)]))
    assert '<td class="words">walk</td><td>3</td><td>25.6</td>' in text


def test_an_empty_report_is_a_page_all_the_same():
    page = _Page(html.render(html.Report("Nothing yet")))
    assert "".join(page.text).count("Nothing yet") == 2
    assert not page.all("section") and not page.all("table")


def test_what_is_no_picture_or_has_no_words_is_refused():
    with pytest.raises(ValueError, match="`png` must hold the bytes of a PNG file. Received: png=b'GIF89a"):
        html.Picture("title", b"GIF89a" + bytes(40), "alt")
    with pytest.raises(ValueError, match="`alt` must say in words what the picture shows. Received: alt=' '"):
        html.Picture("title", PNG, " ")


def test_a_metric_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match=r"fractions in \[0, 1\]"):
        html.render(_report(results={"frame": {"overall_accuracy": float("nan")}}))
    with pytest.raises(ValueError, match=r"`share` must be None or a fraction in \[0, 1\]. Received: share=nan"):
        html.render(_report(confused=[("run", "walk", 0, float("nan"))]))


def test_classes_without_videos_one_class_and_empty_tables_show_dashes_and_no_nan():
    results = {"frame": {"overall_accuracy": 0.0, "num_videos": 0}}
    text = html.render(
        html.Report(
            "One class",
            results=results,
            tables=[*tables.paper_tables(results, "hmdb51", speed={"flow": None}), tables.Table(("class", "n"), ())],
            confusion=explorers.Confusion(["only"], np.zeros((1, 1), int)),
            classes=[explorers.ClassRow("only", 0)],
        )
    )
    page = _Page(text)
    assert len(page.all("table")) == 6  # results, VI, IX, the empty one, the matrix in words, the class
    assert "nan" not in "".join(page.text).lower() and "inf" not in "".join(page.text)
    assert page.text.count("none") == 5  # two metrics in either table of results, and the speed

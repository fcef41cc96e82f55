"""The page as a person meets it, in the Chromium of this machine, without a window and without network."""

import importlib.util
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tclsta_tf.reports import html

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (requirements-dev.txt)")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

_spec = importlib.util.spec_from_file_location("sample_report", Path(__file__).with_name("sample_report.py"))
sample_report = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sample_report)

LARGE = sample_report.names(101)
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Files of a report with names that try to break out, and of one with 101 classes."""
    folder = tmp_path_factory.mktemp("report")
    reports = {
        "hostile": sample_report.build([*sample_report.HOSTILE, *sample_report.names(15)]),
        "large": sample_report.build(LARGE, num_attention=4, videos=131),  # 13,320 videos make 101 classes of 131
    }
    for name, report in reports.items():
        (folder / f"{name}.html").write_text(html.render(report), encoding="utf-8")
    return folder


@pytest.fixture
def open_page(browser, pages):
    """Returns a function that opens a file; at the end it fails where the page complained or asked for more."""
    contexts, complaints = [], []

    def open_it(name="hostile", **settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: complaints.extend([request.url] * (not request.url.startswith(own))))
        own = ((pages / f"{name}.html").as_uri(), "data:")
        page.goto(own[0])
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert not complaints


def _column(page, table, column):
    return page.eval_on_selector_all(
        f"{table} tbody tr:not([hidden])", "(rows, i) => rows.map((row) => row.cells[i].textContent)", column
    )


@pytest.mark.parametrize(
    ("name", "scheme", "settings"),
    [
        ("hostile", "light", {}),
        ("hostile", "dark", {}),
        ("hostile", "light", PHONE),
        ("large", "dark", PHONE),
        ("large", "light", {}),
    ],
)
def test_axe_finds_nothing_and_nothing_overflows(open_page, name, scheme, settings):
    page = open_page(name, color_scheme=scheme, **settings)
    for details in page.query_selector_all("summary"):
        details.click()
    width, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width == inner == settings.get("viewport", {"width": 1280})["width"]
    violations = axe.Axe().run(page).response["violations"]
    found = [(item["impact"], item["id"], [node["html"][:200] for node in item["nodes"][:3]]) for item in violations]
    assert not found


def test_no_name_becomes_markup(open_page):
    page = open_page()
    assert page.locator("script:not([type])").count() == 1
    assert page.locator("b").count() == 0
    assert _column(page, ".classes", 0)[:6] == list(sample_report.HOSTILE)
    assert "NaN" not in page.inner_text("body") and "undefined" not in page.inner_text("body")


def test_the_policy_of_the_page_stops_a_script_that_is_not_its_own(browser, tmp_path):
    text = html.render(html.Report("title")).replace("<main>", "<main><script>document.title = 'taken'</script>")
    (tmp_path / "page.html").write_text(text)
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.title() == "title"
    page.close()


def test_tables_sort_by_number_and_return_to_their_order(open_page):
    page = open_page()
    before = _column(page, ".classes", 4)
    header = page.locator(".classes thead th").nth(4)
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    values = _column(page, ".classes", 4)
    numbers = [float(value) for value in values[:-1]]
    assert numbers == sorted(numbers, reverse=True) and 100.0 in numbers and any(number < 90 for number in numbers)
    assert values[-1].startswith("–")
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    values = _column(page, ".classes", 4)
    assert [float(value) for value in values[:-1]] == sorted(numbers) and values[-1].startswith("–")
    page.locator(".classes thead th").nth(0).get_by_role("button").click()
    assert header.get_attribute("aria-sort") is None
    assert page.locator(".classes [aria-sort]").count() == 1
    names = _column(page, ".classes", 0)
    assert names.index("brush hair") < names.index("cartwheel") < names.index("draw sword")
    for _ in range(2):
        page.locator(".classes thead th").nth(0).get_by_role("button").click()
    assert _column(page, ".classes", 4) == before


def test_intervals_sort_by_the_number_before_them(open_page):
    page = open_page()
    page.locator(".results").first.locator("thead th").nth(1).get_by_role("button").click()
    shown = page.locator(".results").first.locator("tbody td:nth-child(2)").all_text_contents()
    numbers = [float(text.split()[0]) for text in shown]
    assert numbers == sorted(numbers, reverse=True) and "[" in shown[0]


def test_classes_filter_by_name(open_page):
    page = open_page("large")
    box = page.locator('[data-filter="classes"]')
    assert box.locator("output").text_content() == "101 of 101 classes"
    box.get_by_label("Find a class").fill("STAIRS")
    assert _column(page, ".classes", 0) == ["climb stairs", "climb stairs 2", "climb stairs 3", "climb stairs 4"]
    assert box.locator("output").text_content() == "4 of 101 classes"
    box.get_by_label("Find a class").fill("no such class")
    assert box.locator("output").text_content() == "0 of 101 classes"


def test_examples_filter_by_verdict_and_words(open_page):
    page = open_page("large")
    box = page.locator('[data-filter="videos"]')
    box.get_by_label("Show").select_option("wrong")
    assert box.locator("output").text_content() == "8 of 24 videos"
    assert set(box.locator(".example:visible .verdict").all_text_contents()) == {"wrong"}
    box.get_by_label("Find").fill("cartwheel")
    assert 0 < box.locator(".example:visible").count() < 8


def _say(page):
    return page.locator(".readout").text_content()


def test_keys_lead_through_the_confusion_matrix(open_page):
    page = open_page("large")
    labels, counts = LARGE, sample_report.confusion(LARGE, 131).counts
    matrix = page.locator(".matrix")
    matrix.focus()

    def cell(row, column):
        total = counts[row].sum()
        share = f"{counts[row, column]} of {total} videos ({100 * counts[row, column] / total:.1f} %)"
        return f"true {labels[row]}, predicted {labels[column]}: {share}"

    matrix.press("ArrowDown")  # shows the cursor
    assert _say(page) == cell(0, 0)
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "PageDown"):
        matrix.press(key)
    assert _say(page) == cell(12, 1)
    matrix.press("End")
    assert _say(page) == cell(12, 100)
    for _ in range(9):
        matrix.press("PageDown")
    matrix.press("ArrowDown")
    assert _say(page) == f"true {labels[100]}, predicted {labels[100]}: no test videos"
    matrix.press("Home")
    matrix.press("ArrowLeft")
    assert _say(page) == f"true {labels[100]}, predicted {labels[0]}: no test videos"


def test_the_matrix_zooms_and_keeps_the_cell_under_the_pointer(open_page):
    page = open_page("large")
    matrix = page.locator(".matrix")
    matrix.scroll_into_view_if_needed()
    extent = "box => box.firstElementChild.offsetWidth"
    fitting = matrix.evaluate(extent)
    assert fitting == matrix.evaluate("box => box.clientWidth")
    assert page.get_by_role("button", name="Zoom out").is_disabled()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    assert matrix.evaluate(extent) > 1.8 * fitting
    page.get_by_role("button", name="Fit").click()
    assert matrix.evaluate(extent) == fitting

    frame = matrix.bounding_box()
    x, y = frame["x"] + 0.6 * frame["width"], frame["y"] + 0.4 * frame["height"]
    page.mouse.move(x, y)
    before = _say(page)
    assert before.startswith("true ")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_function(f"document.querySelector('.matrix').firstElementChild.offsetWidth > {1.5 * fitting}")
    page.mouse.move(x + 1, y)
    assert _say(page) == before
    scrolled = matrix.evaluate("box => box.scrollLeft")
    page.mouse.down()
    page.mouse.move(x - 80, y)
    page.mouse.up()
    assert matrix.evaluate("box => box.scrollLeft") == pytest.approx(scrolled + 80, abs=2)
    matrix.focus()
    matrix.press("0")
    assert matrix.evaluate(extent) == fitting


def test_two_fingers_zoom_and_a_tap_tells(open_page):
    page = open_page("large", **PHONE)
    matrix = page.locator(".matrix")
    matrix.scroll_into_view_if_needed()
    frame = matrix.bounding_box()
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.touchscreen.tap(x, y)
    assert re.match(r"true .*, predicted .*: \d+ of 131 videos", _say(page))
    before = matrix.evaluate("box => box.firstElementChild.offsetWidth")
    touch = page.context.new_cdp_session(page)
    for kind, distance in (("touchStart", 40), ("touchMove", 60), ("touchMove", 120), ("touchEnd", None)):
        points = [] if distance is None else [{"x": x - distance / 2, "y": y}, {"x": x + distance / 2, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert matrix.evaluate("box => box.firstElementChild.offsetWidth") > 1.4 * before


def test_the_matrix_orders_and_filters_its_classes(open_page):
    page = open_page("large")
    labels, counts = LARGE, sample_report.confusion(LARGE, 131).counts
    tools, matrix = page.locator("[data-matrix-tools]"), page.locator(".matrix")

    def first_row():
        matrix.press("ArrowDown")
        return re.match("true (.*), predicted", _say(page)).group(1)

    tools.get_by_label("Order").select_option("error")
    errors = [1 - row[i] / row.sum() if row.sum() else -1.0 for i, row in enumerate(counts)]
    assert first_row() == labels[errors.index(max(errors))]
    tools.get_by_label("Order").select_option("name")
    assert first_row() == "brush hair"
    matrix.press("ArrowDown")
    assert "true brush hair 2," in _say(page)
    tools.get_by_label("Find a class").fill("cartwheel 3")
    index = labels.index("cartwheel 3")
    related = sum(bool(counts[index, j] or counts[j, index] or j == index) for j in range(101))
    assert tools.locator("output").text_content() == f"1 found, {related} of 101 classes shown"
    tools.get_by_label("Find a class").fill("no such class")
    assert tools.locator("output").text_content() == "0 found, 0 of 101 classes shown"
    matrix.press("ArrowDown")


def test_colours_of_the_matrix_follow_the_theme(open_page):
    page = open_page()
    matrix = page.locator(".matrix")
    matrix.scroll_into_view_if_needed()
    for scheme, expected in (("light", (255, 255, 255)), ("dark", (0x1B, 0x1F, 0x23))):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(100)  # the next drawing
        picture = cv2.imdecode(np.frombuffer(matrix.screenshot(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert tuple(picture[6, 6]) == expected


def test_without_script_everything_can_be_read(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator(".tools:visible").count() == 0 and not page.locator("canvas").is_visible()
    assert page.locator("noscript").is_visible()
    page.get_by_text("The whole matrix in words").click()
    assert page.locator(".in-words tbody tr:visible").count() == 21
    assert page.locator(".example:visible").count() == 24


def test_on_paper_the_matrix_stands_in_words(open_page):
    page = open_page()
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("canvas").is_visible() and page.locator(".tools:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 33, 38)"  # light, whatever the theme
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".in-words tbody tr").first.is_visible()


def test_a_large_report_is_far_below_20_mb(pages):
    assert (pages / "large.html").stat().st_size < 6e6

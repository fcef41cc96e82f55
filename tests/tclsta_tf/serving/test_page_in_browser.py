"""The page as a person meets it, in the Chromium of this machine, with a server behind it and no other network."""

import shutil

import pytest

from tclsta_tf.serving import page as page_lib

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (requirements-dev.txt)")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def browser(server):
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, server):
    """Returns a function that opens the page; at the end it fails where the page complained or asked for more."""
    contexts, complaints, expected = [], [], []

    def open_it(url=server.url, may_fail=False, **settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 1000}} | settings)
        contexts.append(context)
        opened = context.new_page()
        if may_fail:  # Chromium writes a line on the console for every status of 400 and more
            expected.append("Failed to load resource")
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("dialog", lambda dialog: complaints.append(dialog.message))
        allowed = (url, "data:")
        opened.on("request", lambda request: complaints.extend([request.url] * (not request.url.startswith(allowed))))
        opened.goto(url)
        return opened

    yield open_it
    for context in contexts:
        context.close()
    assert not [line for line in complaints if not any(part in line for part in expected)]


def choose(page, path):
    page.set_input_files("#file", str(path))
    page.locator("#result, #problem").filter(visible=True).first.wait_for(timeout=60_000)


def drop(page, data, name):
    page.evaluate(
        """([bytes, name]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "video/x-msvideo"}));
            document.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        [list(data), name],
    )
    page.locator("#result").wait_for(timeout=60_000)


@pytest.mark.parametrize(
    ("scheme", "settings"), [("light", {}), ("dark", {}), ("light", PHONE), ("dark", PHONE)], ids=str
)
def test_axe_finds_nothing_and_nothing_overflows(open_page, video, scheme, settings):
    page = open_page(color_scheme=scheme, **settings)
    for step in range(2):
        if step:
            choose(page, video)
        found = axe.Axe().run(page)
        assert not found.response["violations"], found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_dropped_video_is_shown_with_what_the_model_saw(open_page, video, card):
    page = open_page()
    drop(page, video.read_bytes(), "<img src=x onerror=alert(1)>.avi")
    assert page.locator("#answer").text_content() in ("jump", "ride_bike", "wave")
    assert "<img src=x onerror=alert(1)>.avi: 6 frames of 64 x 48" in page.locator("#facts").text_content()
    assert page.locator("#classes li").count() == 3 and page.locator("#facts img").count() == 0
    assert page.locator("#film button").count() == card["num_frames"]
    assert page.locator(".plots svg").count() == 2 and page.locator(".plots polyline").count() == 4
    for picture in page.locator(".stack img").all():
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") >= 40
    assert page.locator("#answer").evaluate("heading => heading === document.activeElement")


def test_keys_go_through_time(open_page, video):
    page = open_page()
    choose(page, video)
    first = page.locator("#static-picture .under").get_attribute("src")
    page.locator("#position").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#seconds").text_content() == page.locator("#position").get_attribute("aria-valuetext")
    assert page.locator("#static-picture .under").get_attribute("src") != first
    assert page.locator('#film button[aria-current="true"]').count() == 1
    page.locator("#strength").focus()
    page.keyboard.press("Home")
    assert page.locator("#static-picture .heat").evaluate("image => image.style.opacity") == "0"
    shown = page.locator("#seconds").text_content()
    page.locator("#play").press("Enter")
    assert page.locator("#play").text_content() == "Pause"
    sync_api.expect(page.locator("#seconds")).not_to_have_text(shown)


def test_what_is_no_video_is_said_and_the_next_one_works(open_page, video, tmp_path):
    page = open_page(may_fail=True)
    (tmp_path / "text.avi").write_text("no video")
    choose(page, tmp_path / "text.avi")
    assert "not a video" in page.locator("#problem").text_content() and not page.locator("#result").is_visible()
    choose(page, video)
    page.locator("#result").wait_for()
    assert not page.locator("#problem").is_visible()


def test_the_token_is_asked_for_when_it_is_needed(open_page, serve, video):
    page = open_page(serve(token=TOKEN).url, may_fail=True)
    choose(page, video)
    assert "Authorization" in page.locator("#problem").text_content()
    page.get_by_label("Token of this server").fill(TOKEN)
    page.keyboard.press("Enter")
    page.locator("#result").wait_for(timeout=60_000)
    assert not page.locator("#problem").is_visible()


def test_names_are_text_and_the_policy_is_strict(server, http):
    text, policy = page_lib.render('<b>"&')
    assert '<b>"' not in text and "&lt;b&gt;&quot;&amp;" in text and "{" + "model}" not in text
    assert "unsafe" not in policy and "default-src 'none'" in policy
    assert http.get(server.url).headers["content-security-policy"].startswith("default-src 'none'")

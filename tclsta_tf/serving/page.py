"""The page on which a video is dropped: one file, no network but the server itself."""

import base64
import hashlib
import html
import importlib.resources


def render(model_name: str) -> tuple[str, str]:
    """Makes the page.

    Args:
        model_name: of the model that the page asks.

    Returns:
        The page, and its content security policy, which lets only this very script run and only this server be asked.
    """
    script, style = _asset("page.js"), _asset("page.css")
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests[1]}'; script-src 'sha256-{digests[0]}'; "
        "connect-src 'self'; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    text = _asset("page.html").replace("{model}", html.escape(model_name, quote=True))
    head, _, rest = text.partition("{style}")
    middle, _, end = rest.partition("{script}")
    return f"{head}{style}{middle}{script}{end}", policy


def _asset(name: str) -> str:
    return (importlib.resources.files("tclsta_tf.serving") / "assets" / name).read_text(encoding="utf-8")

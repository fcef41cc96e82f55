"""What docs/serving.md says: its client runs, its flags and addresses exist, its statuses are those of the code."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "serving.md").read_text()


@pytest.mark.parametrize("token", [False, True])
def test_the_client_of_the_document_classifies(server, serve, video, tmp_path, http, token, monkeypatch):
    (client,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(client.splitlines()) <= 34
    (tmp_path / "client.py").write_text(client)
    if token:
        monkeypatch.setenv("TCLSTA_TOKEN", "a-token-of-the-tests")
    running = serve(token="a-token-of-the-tests") if token else server
    line = [sys.executable, "client.py", running.url, "tclsta", str(video)]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] in ("jump", "ride_bike", "wave")


def test_curl_sends_a_video_as_it_stands_there(server, video, tmp_path):
    (line,) = re.findall(r"^curl .*:upload.*$", TEXT, re.MULTILINE)
    (tmp_path / "clip.avi").write_bytes(video.read_bytes())
    here = line.replace("http://127.0.0.1:8501", server.url)
    done = subprocess.run(here, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert '"label"' in done.stdout, done.stdout + done.stderr


def test_jpegs_go_by_curl_as_it_stands_there(server, card, tmp_path):
    import cv2
    import numpy as np

    (line,) = re.findall(r"^curl [^\n]*:predict -d .*?\]\}\"$", TEXT, re.MULTILINE | re.DOTALL)
    for name in ("a.jpg", "b.jpg"):
        cv2.imwrite(str(tmp_path / name), np.full((*card["frame_size"], 3), 100, np.uint8))
    here = line.replace("http://127.0.0.1:8501", server.url)
    done = subprocess.run(["bash", "-c", here], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert '"predictions"' in done.stdout, done.stdout + done.stderr


def test_flags_and_addresses_exist(server, http):
    help_text = subprocess.run(
        [sys.executable, "-m", "tclsta_tf.serve", "--helpfull"], cwd=ROOT, capture_output=True, text=True, timeout=120
    ).stdout
    for flag in set(re.findall(r"`--([a-z_]+)", TEXT)) - {"http_port"}:
        assert f"--{flag}" in help_text or f"--[no]{flag}" in help_text, flag
    described = set(http.get(f"{server.url}/openapi.json").json()["paths"])
    table = TEXT.partition("## Addresses")[2].partition("## Signatures")[0]
    for path in re.findall(r"`(?:GET |POST )?(/[^`\[]*)", table):
        if path not in ("/", "/openapi.json"):
            assert path.replace("NAME", "{model_name}") in described, path


def test_statuses_are_those_of_the_code():
    sources = "".join(file.read_text() for file in (ROOT / "tclsta_tf" / "serving").glob("*.py"))
    raised = set(re.findall(r"Refusal\(\s*(4\d\d|5\d\d)", sources))
    table = TEXT.partition("## Statuses")[2].partition("## Limits")[0]
    assert raised <= set(re.findall(r"^\| (\d+) ", table, re.MULTILINE))

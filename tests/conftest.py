"""What several test folders need: the data that lies beside the repository, and a tiny labelled set of real videos."""

import fcntl
import gc
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

# JAX, where Keras imports it, sets a level of its own, which commands run by tests would inherit.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Test processes beside each other would wait for each other's threads: each has its share of the cores, and so have
# the commands that it starts.
if processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, (os.cpu_count() or 1) // int(processes))))


ROOT = Path(__file__).resolve().parents[1]


class TinyVideos(NamedTuple):
    """A labelled set in HMDB51's layout, with two splits.

    Each class has 4 films of 2 clips and one clip more that no split file names. Split 1 tests on film 3; split 2 tests
    on film 0 and does not use film 3.
    """

    videos_dir: Path
    splits_dir: Path
    classes: tuple[str, ...]
    num_videos: int


FILMS = ("#20_Rhythm", "A & B (part one)", "Stra\u00dfe_der_Filme", "wave_of_waves")
CLASSES = ("jump", "ride_bike", "wave")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, which is not part of the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is not here: {folder} does not exist")
    return folder


@pytest.fixture(scope="module", autouse=True)
def spared_heap():
    """Takes what earlier files left from the garbage collector, which Keras calls wherever a part is trained.

    TensorFlow keeps its graphs for as long as the process lives, so that the collector would look through millions of
    objects again and again and free none: a seventh of the time of `recipes/test_frozen.py` alone, and more later on.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A function that gives a folder, filled by the first process of the session that asks for it; others wait."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder_of(name: str, fill: Callable[[Path], object]) -> Path:
        folder, whole = base / name, base / f"{name}.whole"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                whole.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def write_video():
    """A function that writes uint8 [n, H, W, 3] RGB frames as motion JPEG."""

    def write(path: Path, frames: np.ndarray, frame_rate: float = 10.0) -> None:
        height, width = frames.shape[1:3]
        file = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), frame_rate, (width, height))
        assert file.isOpened()
        for frame in frames:
            file.write(np.ascontiguousarray(frame[..., ::-1]))
        file.release()

    return write


@pytest.fixture(scope="session")
def moving_texture():
    """A function that gives a smooth texture moving by `step` = (x, y) pixels per frame, uint8 [n, H, W, 3]."""

    def make(num_frames: int, step: tuple[int, int], seed: int, height: int = 48, width: int = 64) -> np.ndarray:
        span = num_frames * max(abs(step[0]), abs(step[1]))
        noise = np.random.default_rng(seed).integers(0, 256, (height + 2 * span, width + 2 * span, 3), np.uint8)
        texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX)
        starts = [(span - i * step[1], span - i * step[0]) for i in range(num_frames)]
        return np.stack([texture[y : y + height, x : x + width] for y, x in starts])

    return make


class CountedFrames:
    """Gives copies of frames one by one.

    Attributes:
        most: of them that were held at the same time, the one that is being given included.
    """

    def __init__(self, frames: np.ndarray) -> None:
        self._frames, self._held, self.most = frames, 0, 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self._frames:
            counted = frame.copy()
            weakref.finalize(counted, self._release)
            self._held += 1
            self.most = max(self.most, self._held)
            yield counted
            del counted

    def _release(self) -> None:
        self._held -= 1


@pytest.fixture(scope="session")
def counted_frames():
    """The class `CountedFrames`."""
    return CountedFrames


@pytest.fixture(scope="session")
def tiny_videos(made_once, write_video, moving_texture) -> TinyVideos:
    """27 generated clips of 64 x 48 pixels and 1 to 14 frames; motion tells the classes apart. Do not write into it."""
    root = made_once("tiny", lambda folder: _write_tiny_videos(folder, write_video, moving_texture))
    num_videos = len(list(root.glob("videos/*/*.avi")))
    return TinyVideos(root / "videos", root / "splits", CLASSES, num_videos)


def _write_tiny_videos(root: Path, write_video, moving_texture) -> None:
    videos_dir, splits_dir = root / "videos", root / "splits"
    splits_dir.mkdir()
    count = 0
    for index, label in enumerate(CLASSES):
        (videos_dir / label).mkdir(parents=True)
        lines = {1: [], 2: []}
        for film, clip in [(film, clip) for film in range(4) for clip in range(2)] + [(0, 2)]:
            name = f"{FILMS[film]}_{label}_u_nm_np1_fr_med_{clip}.avi"
            num_frames = 1 if (label, film, clip) == ("wave", 1, 1) else 6 + 2 * film + clip
            step = ((1, 0), (-2, 0), (0, 2))[index]
            write_video(videos_dir / label / name, moving_texture(num_frames, step, seed=count))
            count += 1
            if clip < 2:
                lines[1].append(f"{name} {2 if film == 3 else 1} \n")
                lines[2].append(f"{name} {(2, 1, 1, 0)[film]} \n")
        for split, text in lines.items():
            (splits_dir / f"{label}_test_split{split}.txt").write_text("".join(text), encoding="utf-8")


@pytest.fixture(scope="session")
def tiny_records(made_once, tiny_videos) -> Path:
    """Records of `tiny_videos`: all frames and fields, 64 x 48 pixels, 4 videos a shard. Do not write into it."""
    from tfrecords_tools import config, conversion, datasets

    listing = datasets.list_videos(
        config.ListingSettings("hmdb51", str(tiny_videos.videos_dir), str(tiny_videos.splits_dir))
    )
    settings = config.RecordSettings(resize="64x48", flow="dis")
    return made_once(
        "tiny_records", lambda folder: conversion.convert(listing, folder, settings, videos_per_shard=4, workers=1)
    )


class CommandServer:
    """Runs `python -m MODULE` without the seconds in which its libraries are loaded: see command_server.py."""

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self._streams = [folder / name for name in ("input", "output", "errors")]
        environment = {**os.environ, "PYTHONPATH": str(root), "KERAS_BACKEND": "tensorflow"}
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the tests' own imports may have set it; a user has not
        self._environment = environment
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("command_server.py"))],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        module: str,
        *arguments: object,
        cwd: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess:
        """Runs a command to its end; `environment` is added to a user's."""
        for file in self._streams:
            file.write_bytes(b"")
        asked = {
            "module": module,
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd),
            "environment": {**self._environment, **(environment or {})},
            "streams": [str(file) for file in self._streams],
            "timeout": timeout,
        }
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        status = json.loads(self._process.stdout.readline())
        _, output, errors = (file.read_text() for file in self._streams)
        if not isinstance(status, int):
            raise subprocess.TimeoutExpired([module, *asked["arguments"]], timeout, output, errors)
        return subprocess.CompletedProcess([module, *asked["arguments"]], status, output, errors)

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="session")
def run_command(tmp_path_factory):
    """A function that runs a command in a process of its own: `CommandServer.run`."""
    server = CommandServer(tmp_path_factory.mktemp("commands"))
    yield server.run
    server.close()


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory):
    """Address of an S3 server on this machine, which the environment points to for as long as the tests run."""
    for name, stack in (("tensorflow_io", "the latest stack has none"), ("moto", "see requirements-dev.txt")):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed ({stack})")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = open(tmp_path_factory.mktemp("s3") / "log.txt", "wb")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    endpoint = f"http://127.0.0.1:{port}"
    with log, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "S3_ENDPOINT": endpoint,
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }.items():
            patch.setenv(name, value)
        try:
            _wait_for(endpoint, server)
            yield endpoint
        finally:
            server.kill()
            server.wait()


@pytest.fixture
def bucket(s3_endpoint, request) -> str:
    """A bucket of the test's own, "s3://name"."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:40].lower().strip("-")
    name = f"{name}-{os.urandom(4).hex()}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_endpoint}/{name}", method="PUT"), timeout=10).close()
    return f"s3://{name}"


def _wait_for(endpoint: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(endpoint, timeout=5).close()
            return
        except urllib.error.URLError:
            assert server.poll() is None and time.monotonic() < deadline, "the S3 server did not start"
            time.sleep(0.1)


@pytest.fixture(scope="session")
def upload():
    """A function that copies the files of a local folder to a folder on remote storage."""

    def copy(folder: Path, target) -> None:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                (target / file.relative_to(folder).as_posix()).write_bytes(file.read_bytes())

    return copy

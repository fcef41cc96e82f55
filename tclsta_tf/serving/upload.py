"""Classifies video files that clients send."""

import asyncio
import concurrent.futures
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tclsta_tf.serving import admission, pictures, receiving, refusals, settings, video_check
from tclsta_tf.serving import metrics as metrics_lib
from tfrecords_tools import video

Classify: TypeAlias = Callable[[Path], Any]
"""Path of a video -> `tclsta_tf.prediction.classifier.Prediction`."""

_STREAMS = ("static", "motion")
_LONGEST_NAME = 255


class Uploads:
    """Takes uploads, one at a time in work: a video's flow and networks use all cores.

    Args:
        classify: answers a file.
        crop_size: side of what the networks see, pixels.
        least_frames: fewer frames are no video.
        serving: limits of bodies and times.
        limits: of videos.
        places: for waiting uploads.
        metrics: count frames.
    """

    def __init__(
        self,
        classify: Classify,
        crop_size: int,
        least_frames: int,
        serving: settings.ServerSettings,
        limits: settings.Limits,
        places: admission.Admission,
        metrics: metrics_lib.Metrics,
    ) -> None:
        self._classify = classify
        self._crop_size = crop_size
        self._least_frames = least_frames
        self._serving = serving
        self._limits = limits
        self._places = places
        self._metrics = metrics
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "video")

    async def answer(self, request: receiving.Request, top: int, with_pictures: bool, file_name: str) -> dict[str, Any]:
        """Receives a file and classifies it.

        Args:
            request: whose body is the file.
            top: classes to list.
            with_pictures: whether the answer has pictures.
            file_name: what the client calls the file; it comes back in the answer and names nothing here.

        Raises:
            refusals.Refusal: with 400, 408, 413, 415, 429 or 504.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not (kind.startswith("video/") or kind == "application/octet-stream"):
            shown = kind[:60] or "none"
            line = f"`Content-Type` must be video/* or application/octet-stream, the body the file. Received: {shown}"
            raise refusals.Refusal(415, line)
        _check_name(file_name)
        self._places.take(admission.UPLOAD)
        folder = Path(tempfile.mkdtemp(prefix="tclsta-upload-"))

        def clean(done: "asyncio.Future[Any] | None" = None) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            self._places.give_back(admission.UPLOAD)
            if done is not None and not done.cancelled():
                done.exception()  # looked at, so that one that comes too late is not reported as lost

        try:
            await self._receive(request, folder / "video")
            job = asyncio.get_running_loop().run_in_executor(
                self._pool, self._work, folder / "video", top, with_pictures
            )
        except BaseException:
            clean()
            raise
        # A thread cannot be stopped: file and place are given back when it has really ended.
        job.add_done_callback(clean)
        try:
            async with asyncio.timeout(self._serving.timeout_s):
                answer = await asyncio.shield(job)
        except TimeoutError as error:
            line = f"no answer within {self._serving.timeout_s:g} s; it was given up"
            raise refusals.Refusal(504, line) from error
        return {"file_name": file_name, **answer} if file_name else answer

    def warm(self) -> None:
        """Classifies a small generated video, which compiles the flow: else the first client would wait for it."""
        frames = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
        with tempfile.TemporaryDirectory(prefix="tclsta-upload-") as folder:
            path = Path(folder) / "video.avi"
            video.write_video(path, frames, video.DEFAULT_FRAME_RATE)
            # What the model says about a video this small is of no interest.
            with contextlib.suppress(video.VideoError):
                self._classify(path)

    def close(self) -> None:
        """Ends the thread after its present work."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _receive(self, request: receiving.Request, path: Path) -> None:
        length = 0
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            async for piece in receiving.stream(request, self._serving.max_body, self._serving.receive_timeout_s):
                length += len(piece)
                file.write(piece)
        if not length:
            raise refusals.bad("body", "a video file", "0 bytes")

    def _work(self, path: Path, top: int, with_pictures: bool) -> dict[str, Any]:
        facts = video_check.check(path, self._limits, self._serving.timeout_s)
        if facts.frames < self._least_frames:
            line = f"a video must have at least {self._least_frames} frames. Received: {facts.frames}"
            raise refusals.Refusal(400, line)
        self._metrics.video_frames.inc(facts.frames)
        try:
            prediction = self._classify(path)
        except video.VideoError as error:
            raise refusals.Refusal(400, f"the video cannot be used: {error.reason}") from error
        answer = as_json(prediction, top)
        answer["video"] = {"frames": facts.frames, "height": facts.height, "width": facts.width}
        if with_pictures:
            answer["pictures"] = pictures.as_data(prediction, self._crop_size)
        return answer


def least_frames(card: Mapping[str, Any]) -> int:
    """How many frames a video must have: two where the model looks at motion, which one frame does not show."""
    return 2 if "motion" in card.get("streams", _STREAMS) else 1


def as_json(prediction: Any, top: int) -> dict[str, Any]:
    """Gives an answer as values of JSON.

    Args:
        prediction: `tclsta_tf.prediction.classifier.Prediction`.
        top: classes to list, best first.
    """
    best = [{"label": label, "score": float(score)} for label, score in prediction.top(top)]
    outputs = prediction.outputs
    answer: dict[str, Any] = {
        "label": best[0]["label"],
        "score": best[0]["score"],
        "top": best,
        "labels": list(prediction.labels),
        "scores": prediction.scores.tolist(),
        "seconds": np.asarray(prediction.timestamps).tolist(),
        "positions": np.asarray(prediction.positions).tolist(),
        "attention": {
            stream: {
                short: outputs[f"{stream}_{name}"].tolist()
                for short, name in (("temporal", "temporal_attention"), ("collaborative", "collaborative_weights"))
                if f"{stream}_{name}" in outputs
            }
            for stream in _STREAMS
            if f"{stream}_temporal_attention" in outputs
        },
    }
    for name in ("static_scores", "motion_scores", "fusion_weights"):
        if name in outputs:
            answer[name] = outputs[name].tolist()
    return answer


def _check_name(name: str) -> None:
    if len(name) > _LONGEST_NAME or any(sign in name for sign in "/\\") or not all(map(str.isprintable, name)):
        expected = f"a name without a path, of at most {_LONGEST_NAME} printable characters"
        raise refusals.bad("file_name", expected, ascii(name))
    if name in (".", ".."):
        raise refusals.bad("file_name", "a name without a path", name)

"""Answers for a camera while it runs."""

import contextlib
from typing import TextIO

import numpy as np

from tclsta_tf.prediction import camera, classifier, output
from tfrecords_tools import video


def watch(
    model: classifier.Classifier,
    source: camera.Camera | camera.FileAsCamera,
    lines: output.Writer,
    answers: TextIO,
    window: float,
    step: float,
    seconds: float | None = None,
) -> None:
    """Writes a line at the end of every step, and at the end of it all the mean of their answers.

    Args:
        model: the model.
        source: the camera; Ctrl-C ends it like its own end.
        lines: makes the lines.
        answers: takes them.
        window: seconds of video before the end of a step that answer it.
        step: seconds from one answer to the next.
        seconds: when to stop; None for never.

    Raises:
        tfrecords_tools.video.VideoError: the camera gave less than a step.
    """
    total, count, end = np.zeros(len(model.labels)), 0, 0.0
    with contextlib.suppress(KeyboardInterrupt):
        for offset, frames in source.stretches():
            for start, end, scores in model.watch(
                frames, source.frame_rate, window=window, step=step, name=source.name
            ):
                start, end = offset + start, offset + end
                answers.write(lines.moment(source.name, start, end, scores))
                answers.flush()
                total, count = total + scores, count + 1
                if seconds is not None and end + step > seconds + 1e-6:
                    break
            if seconds is not None and end + step > seconds + 1e-6:
                break
    if not count:
        raise video.VideoError(source.name, f"it gave less than a step of {step:g} seconds")
    answers.write(lines.mean(source.name, end, total / count))

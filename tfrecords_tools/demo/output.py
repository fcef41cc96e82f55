"""The folder that `make_demo` writes: video files, split lists and the truth."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tfrecords_tools.demo import plan, render
from tfrecords_tools.demo import settings as settings_lib

TRUTH_FILE = "demo.json"
_FORMAT_VERSION = 1


def prepare(output_dir: Path, settings: settings_lib.DemoSettings, videos: Sequence[plan.VideoPlan]) -> None:
    """Makes the folder and writes the truth; a folder with the same truth is taken up where it was left.

    Raises:
        ValueError: when the folder holds anything else.
    """
    truth_path = output_dir / TRUTH_FILE
    if output_dir.exists() and not output_dir.is_dir():
        raise ValueError(f"`output_dir` must be a folder. Received: output_dir={str(output_dir)!r}, which is a file")
    if truth_path.exists():
        _check_same(truth_path, settings)
    elif output_dir.exists() and any(entry.name != _partial(truth_path).name for entry in output_dir.iterdir()):
        raise ValueError(
            f"`output_dir` must be new, empty or made by this command. Received: output_dir={str(output_dir)!r}, "
            f"which holds other files; choose another folder"
        )
    text = _truth_text(settings, videos)
    output_dir.mkdir(parents=True, exist_ok=True)
    _write_text(truth_path, text)  # before anything else: by it a command that was stopped knows its folder again
    for demo_class in plan.CLASSES:
        (output_dir / "videos" / demo_class.name).mkdir(parents=True, exist_ok=True)
    (output_dir / "splits").mkdir(exist_ok=True)


def unfinished(output_dir: Path, videos: Sequence[plan.VideoPlan]) -> list[plan.VideoPlan]:
    """Returns the videos whose files do not exist yet."""
    return [video for video in videos if not video_path(output_dir, video).exists()]


def video_path(output_dir: Path, video: plan.VideoPlan) -> Path:
    """Returns where a video's file lies."""
    return output_dir / "videos" / video.class_name / video.file_name


def write_video(output_dir: Path, settings: settings_lib.DemoSettings, video: plan.VideoPlan) -> None:
    """Renders a video and writes its file in one step: the file is complete or not there.

    Raises:
        OSError: when the file cannot be written in full.
    """
    path = video_path(output_dir, video)
    partial = _partial(path)
    encode(partial, render.render(settings, video), settings)
    count = _count_frames(partial)
    if count != settings.num_frames:
        partial.unlink(missing_ok=True)
        raise OSError(f"cannot write {path}: only {count} of {settings.num_frames} frames read back; is the disk full?")
    os.replace(partial, path)


def encode(path: Path, frames: Iterable[np.ndarray], settings: settings_lib.DemoSettings) -> None:
    """Writes frames, uint8 [H, W, 3] RGB, as a Motion JPEG video.

    OpenCV's own encoder is asked for by name: every frame is a JPEG by itself and the container holds no date and no
    version, so that equal frames give equal bytes.
    """
    codec = cv2.VideoWriter_fourcc(*"MJPG")
    size = (settings.width, settings.height)
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, codec, settings.frame_rate, size)
    if not writer.isOpened():
        raise OSError(f"cannot write {path}: OpenCV cannot open it for writing")
    writer.set(cv2.VIDEOWRITER_PROP_QUALITY, settings.quality)
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()


def write_splits(output_dir: Path, settings: settings_lib.DemoSettings, videos: Sequence[plan.VideoPlan]) -> None:
    """Writes HMDB51's lists, `<class>_test_split<k>.txt`: file name, space, tag (1 training, 2 test)."""
    for split in range(1, settings.num_splits + 1):
        tags = plan.split_tags(settings, split)
        for demo_class in plan.CLASSES:
            lines = [f"{v.file_name} {tags[v.film]}\n" for v in videos if v.class_name == demo_class.name]
            _write_text(output_dir / "splits" / f"{demo_class.name}_test_split{split}.txt", "".join(lines))


def _truth_text(settings: settings_lib.DemoSettings, videos: Sequence[plan.VideoPlan]) -> str:
    header = {
        "format_version": _FORMAT_VERSION,
        "settings": settings.to_json(),
        "classes": {c.name: {"looks": c.looks, "motions": c.motions} for c in plan.CLASSES},
    }
    # One line a video, for people who look into the file.
    rows = ",\n".join("  " + json.dumps(_truth(settings, video)) for video in videos)
    return f'{json.dumps(header, indent=1)[:-2]},\n "videos": [\n{rows}\n ]\n}}\n'


def _truth(settings: settings_lib.DemoSettings, video: plan.VideoPlan) -> dict[str, Any]:
    return {
        "path": f"videos/{video.class_name}/{video.file_name}",
        "class": video.class_name,
        "appearance": video.look,
        "motion": video.motion,
        "group": video.group,
        "visible": [video.start, video.stop],
        "boxes": render.truth_boxes(settings, video),
    }


def _check_same(truth_path: Path, settings: settings_lib.DemoSettings) -> None:
    try:
        found = dict(json.loads(truth_path.read_text(encoding="utf-8"))["settings"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{truth_path} was not written by this command; choose another `output_dir`") from error
    wanted = settings.to_json()
    if found != wanted:
        name = next(key for key in {**wanted, **found} if wanted.get(key) != found.get(key))
        raise ValueError(
            f"`output_dir` already holds data made with other parameters ({name}={found.get(name)}, asked for: "
            f"{wanted.get(name)}). Received: output_dir={str(truth_path.parent)!r}; choose another folder"
        )


def _write_text(path: Path, text: str) -> None:
    _partial(path).write_text(text, encoding="utf-8")
    os.replace(_partial(path), path)


def _partial(path: Path) -> Path:
    """Returns the temporary name of a file; it keeps the suffix, by which OpenCV knows the container."""
    return path.with_name(f".partial-{path.name}")


def _count_frames(path: Path) -> int:
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    return count

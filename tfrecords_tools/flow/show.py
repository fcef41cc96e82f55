r"""Shows the optical flow of a video in the colours of the Middlebury benchmark.

python -m tfrecords_tools.flow.show clip.avi
python -m tfrecords_tools.flow.show --output=flow.mp4 --flow=dis clip.avi

writes frames with the flow to their successors below, uniformly spaced, into a picture (`clip_flow.png` in the current
folder unless --output says otherwise), or all of them side by side into a video (.mp4, .avi). The legend gives the
speed of full colour, one for the whole video.
"""

import itertools
import pathlib
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from absl import app, flags

from tfrecords_tools import cli, notes, storage, video
from tfrecords_tools.flow import colour, drawing, methods

_PICTURES = (".png",)
_COLUMNS = 4
_CELL = 320  # width of a frame in the picture, pixels
_PANEL = 480  # width of a frame in the video, pixels
_BATCH = 16  # pairs computed together
_PERCENTILE = 99.0  # of the speeds; a scale to the single fastest vector would show an outlier and nothing else


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the command's flags."""
    flags.DEFINE_string(
        "output",
        None,
        "A .png picture, or a .mp4 or .avi video; default: VIDEO_flow.png here.",
        flag_values=values,
    )
    flags.DEFINE_enum("flow", "tvl1", methods.METHODS, "Method of optical flow.", flag_values=values)
    flags.DEFINE_string(
        "resize",
        None,
        "Size at which the flow is computed: WIDTHxHEIGHT or short_side=PIXELS; the video's own unless given.",
        flag_values=values,
    )
    flags.DEFINE_integer("pairs", 8, "Pairs of frames in a picture.", lower_bound=1, flag_values=values)
    flags.DEFINE_float(
        "max_speed",
        None,
        f"Speed of full colour, pixels per frame at that size. Unless given, the {_PERCENTILE:g}th percentile of the "
        "speeds in the pairs of the picture. Give it to compare videos.",
        flag_values=values,
    )


def show(
    path: str | pathlib.Path,
    output: str | pathlib.Path | storage.RemotePath,
    *,
    flow: str = "tvl1",
    resize: video.Resize | None = None,
    pairs: int = 8,
    max_speed: float | None = None,
) -> int:
    """Writes the flow of a video as a picture or a video.

    Args:
        path: The video.
        output: A .png, .mp4 or .avi file; it appears only when it is whole.
        flow: Method, one of `methods.METHODS`.
        resize: Size at which flow is computed; None for the video's own.
        pairs: Number of pairs in a picture, spaced uniformly, fewer where the video is shorter.
        max_speed: Speed of full colour, pixels per frame, > 0; None takes it from those pairs.

    Returns:
        Number of pairs shown.

    Raises:
        VideoError: The video cannot be read, or has one frame only.
        ValueError: An argument is out of its range.
        OSError: The output cannot be written.
    """
    output = storage.path(output)
    suffixes = (*_PICTURES, *video.CODECS)
    if output.suffix not in suffixes:
        raise ValueError(f"`output` must end in {', '.join(suffixes)}. Received: output={output}")
    if max_speed is not None and not 0 < max_speed < np.inf:
        raise ValueError(f"`max_speed` must be above 0. Received: max_speed={max_speed}")
    method = methods.make_flow(flow)
    source = video.read_video(path)
    num_pairs = sum(1 for _ in source) - 1
    if num_pairs < 1:
        raise video.VideoError(path, "it has one frame, and flow needs two")

    wanted = np.unique(np.linspace(0, num_pairs - 1, pairs).round().astype(int)) if pairs > 1 else [num_pairs // 2]
    sample = []
    if output.suffix in _PICTURES or max_speed is None:
        sample = [(i, first, method(_grey([first, second]))[0]) for i, first, second in _pairs(source, resize, wanted)]
    if max_speed is None:
        speeds = [np.linalg.norm(field, axis=-1) for _, _, field in sample]
        max_speed = float(np.percentile(speeds, _PERCENTILE)) or 1.0  # a video at rest is white, whatever the scale
    if output.suffix in _PICTURES:
        drawing.write_picture(output, _draw_picture(sample, source.frame_rate, max_speed))
        return len(sample)
    pictures = _draw_video(_frames(source, resize), method, max_speed)
    progress = notes.bar(iterable=pictures, total=num_pairs, unit="pair")
    video.write_video(output, progress, source.frame_rate)
    return num_pairs


def main(argv: Sequence[str]) -> None:
    """Runs the command."""
    values = flags.FLAGS
    if len(argv) != 2:
        raise app.UsageError(f"one video is wanted, {len(argv) - 1} given: python -m tfrecords_tools.flow.show VIDEO")
    path = storage.path(argv[1])
    output = storage.path(values.output or f"{path.stem}_flow.png")
    resize = video.Resize.parse(values.resize) if values.resize else None
    with storage.staged(path) as file:
        count = show(file, output, flow=values.flow, resize=resize, pairs=values.pairs, max_speed=values.max_speed)
    print(f"{output}: flow of {count} pairs of frames by {values.flow}")


def _frames(source: video.VideoFile, resize: video.Resize | None) -> Iterator[np.ndarray]:
    return (resize.apply(frame) if resize else frame for frame in source)


def _pairs(
    source: video.VideoFile, resize: video.Resize | None, wanted: Sequence[int]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Gives the wanted pairs of neighbouring frames, each with its index."""
    chosen = set(np.asarray(wanted).tolist())
    for index, (first, second) in enumerate(itertools.pairwise(_frames(source, resize))):
        if index in chosen:
            yield index, first, second


def _grey(frames: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


def _draw_picture(sample: list[tuple[int, np.ndarray, np.ndarray]], frame_rate: float, max_speed: float) -> np.ndarray:
    """Draws frames with their flow below, row by row, and the legend at the bottom; uint8 [H, W, 3], RGB."""
    cells = []
    for index, frame, field in sample:
        shown = drawing.fit(frame, _CELL)
        drawing.write_text(shown, f"{index / frame_rate:.2f} s", (8, 20))
        cells.append(np.concatenate([shown, drawing.fit(colour.flow_to_color(field, max_speed), _CELL)]))
    columns = min(_COLUMNS, len(cells))
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    rows = [np.concatenate(cells[start : start + columns], axis=1) for start in range(0, len(cells), columns)]
    return np.concatenate([*rows, drawing.draw_legend(columns * _CELL, max_speed)])


def _draw_video(frames: Iterator[np.ndarray], method: methods.FlowMethod, max_speed: float) -> Iterator[np.ndarray]:
    """Draws each frame with its flow beside it and the legend below; uint8 [H, W, 3], RGB, even sides."""
    legend = drawing.draw_legend(2 * _PANEL, max_speed)
    batch = list(itertools.islice(frames, 1))
    while more := list(itertools.islice(frames, _BATCH)):
        batch = [batch[-1], *more]
        for frame, field in zip(batch, method(_grey(batch)), strict=False):  # The last frame starts the next batch.
            shown = [drawing.fit(picture, _PANEL) for picture in (frame, colour.flow_to_color(field, max_speed))]
            yield np.concatenate([np.concatenate(shown, axis=1), legend])


if __name__ == "__main__":
    define_flags()
    cli.run(main)

"""How large a video may be, for who classifies videos of strangers."""

import dataclasses

from tfrecords_tools import storage, video


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a video may not exceed; it is refused before memory is spent on it.

    Attributes:
        max_frames: frames that decode, whatever the header says; None for any number.
        max_pixels: width times height of its frames; None for any size.
        max_seconds: length at the frame rate of its header; None for any length.
    """

    max_frames: int | None = None
    max_pixels: int | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and not value > 0:
                raise ValueError(f"`{field.name}` must be greater than 0, or None. Received: {field.name}={value}")

    def check_size(self, place: str | storage.AnyPath, height: int, width: int) -> None:
        """Refuses frames that are too large.

        Args:
            place: names the video in the error.
            height: pixels.
            width: pixels.

        Raises:
            tfrecords_tools.video.VideoError: they are.
        """
        if self.max_pixels is not None and height * width > self.max_pixels:
            raise video.VideoError(
                place, f"its frames of {width}x{height} pixels exceed the limit of {self.max_pixels} pixels"
            )

    def check_length(self, place: str | storage.AnyPath, num_frames: int, frame_rate: float) -> None:
        """Refuses a video as soon as it is known to be too long.

        Args:
            place: names the video in the error.
            num_frames: frames that have been decoded so far.
            frame_rate: frames per second.

        Raises:
            tfrecords_tools.video.VideoError: it is.
        """
        if self.max_frames is not None and num_frames > self.max_frames:
            raise video.VideoError(place, f"it has more frames than the limit of {self.max_frames}")
        if self.max_seconds is not None and num_frames > self.max_seconds * frame_rate:
            raise video.VideoError(place, f"it is longer than the limit of {self.max_seconds:g} seconds")

"""Whether the arrays of a request are what its signature takes, before any of them reaches the model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tclsta_tf.serving import refusals, served_signatures, settings
from tfrecords_tools import jpeg

_SCANS = 64  # of one JPEG: a progressive one has about 10, and each costs a decoder a pass over the picture
_MARGIN = 65536  # bytes of a JPEG beyond those of its pixels: headers, tables, metadata


class Checker:
    """Checks arrays against a signature.

    Args:
        card: what the model's `assets/model.json` says.
        limits: of clips.
        max_batch: most clips of one request.
    """

    def __init__(self, card: Mapping[str, Any], limits: settings.Limits, max_batch: int) -> None:
        self._crop_size = int(card.get("crop_size", 1))
        frame_size = card.get("frame_size")
        self._frame_size = tuple(frame_size) if frame_size else None
        self._limits = limits
        self._max_batch = max_batch

    def check(self, signature: served_signatures.Signature, arrays: served_signatures.Arrays) -> int:
        """Checks the arrays of one request.

        Returns:
            The number of clips.

        Raises:
            refusals.Refusal: they are not what the signature takes.
        """
        expected, received = sorted(signature.inputs), sorted(arrays)
        if expected != received:
            raise refusals.bad(f"inputs of {signature.name}", _join(expected), _join(received) or "none")
        for name, array in arrays.items():
            self._check_array(signature.inputs[name], array)
            if signature.inputs[name].dtype == "string":
                self._check_jpegs(name, array, arrays.get("mask"))
        sizes = {len(array) for array in arrays.values()}
        if len(sizes) != 1:
            shown = ", ".join(f"{name}: {len(array)}" for name, array in sorted(arrays.items()))
            raise refusals.bad("inputs", "of one batch size", shown)
        (count,) = sizes
        if not 1 <= count <= max(self._max_batch, 1):
            raise refusals.bad("inputs", f"1 to {self._max_batch} clips", f"{count} clips")
        return count

    def _check_array(self, tensor: served_signatures.Tensor, array: np.ndarray) -> None:
        name = tensor.name
        if array.dtype != tensor.numpy_dtype:
            raise refusals.bad(name, f"of type {tensor.dtype}", array.dtype)
        if array.ndim != len(tensor.shape) or any(
            side not in (None, size) for side, size in zip(tensor.shape, array.shape, strict=True)
        ):
            raise refusals.bad(name, f"of shape {_shape(tensor.shape)}", _shape(array.shape))
        if array.size == 0:
            raise refusals.bad(name, "without empty axes", f"shape {_shape(array.shape)}")
        if array.ndim > 1 and array.shape[1] > self._limits.max_frames:
            raise refusals.bad(name, f"of at most {self._limits.max_frames} frames", f"{array.shape[1]} frames")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise refusals.bad(name, "of finite numbers", "NaN or Infinity")
        if array.ndim == 5:  # a clip [B, T, H, W, C]
            height, width = array.shape[2:4]
            if height * width > self._limits.max_pixels:
                raise refusals.bad(name, f"of at most {self._limits.max_pixels} pixels a frame", f"{height}x{width}")
            if min(height, width) < self._crop_size:
                raise refusals.bad(name, f"of at least {self._crop_size} pixels a side", f"{height}x{width}")

    def _check_jpegs(self, name: str, array: np.ndarray, mask: np.ndarray | None) -> None:
        """A JPEG's header decides how much a decoder allocates: it is read before any decoder sees it."""
        if mask is not None and (mask.shape != array.shape or not mask.any(axis=-1).all()):
            raise refusals.bad("mask", f"of the shape of {name}, true for one frame of each clip at least", "another")
        for place, data in np.ndenumerate(array):
            field = f"{name}{list(place)}"
            if mask is not None and not mask[place]:
                continue  # no decoder will look at it
            try:
                size = jpeg.read_size(data)
            except jpeg.JpegError as error:
                raise refusals.bad(field, "a JPEG", f"{len(data)} bytes: {error}") from error
            if self._frame_size is not None and (size.height, size.width) != self._frame_size:
                height, width = self._frame_size
                raise refusals.bad(field, f"{height}x{width} pixels", f"{size.height}x{size.width}")
            if size.height * size.width > self._limits.max_pixels:
                raise refusals.bad(field, f"at most {self._limits.max_pixels} pixels", f"{size.height}x{size.width}")
            most = 3 * size.height * size.width + _MARGIN
            if len(data) > most:
                raise refusals.bad(field, f"at most {most} bytes for its size", f"{len(data)} bytes")
            scans = data.count(b"\xff\xda")
            if scans > _SCANS:
                raise refusals.bad(field, f"a JPEG of at most {_SCANS} scans", f"{scans} scans")


def _shape(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("any" if side is None else str(side) for side in shape) + "]"


def _join(names: list[str]) -> str:
    return ", ".join(names)

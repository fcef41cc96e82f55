import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfrecords_tools import jpeg


def _encode(image, *parameters):
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90, *parameters])[1].tobytes()


def _planes(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (2, height, width), np.uint8)
    return [cv2.GaussianBlur(plane, (0, 0), 1.5) for plane in noise]


def _decode(data):
    return tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE").numpy()[..., 0]


@pytest.mark.parametrize(("height", "width"), [(8, 1), (16, 20), (256, 340), (240, 320)])
def test_joining_loses_nothing(height, width):
    top, bottom = map(_encode, _planes(height, width))
    joined = jpeg.join(top, bottom)
    np.testing.assert_array_equal(_decode(joined), np.concatenate([_decode(top), _decode(bottom)]))
    opencv = cv2.imdecode(np.frombuffer(joined, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert opencv.shape == (2 * height, width)
    assert jpeg.read_size(joined) == jpeg.Size(2 * height, width, 1)
    assert abs(len(joined) - len(top) - len(bottom)) < 700  # One header instead of two: nothing is compressed anew.


def test_sizes_are_read_from_the_header():
    grey, colour = np.zeros((20, 30), np.uint8), np.zeros((21, 31, 3), np.uint8)
    assert jpeg.read_size(_encode(grey)) == jpeg.Size(20, 30, 1)
    assert jpeg.read_size(_encode(colour)) == jpeg.Size(21, 31, 3)
    assert jpeg.read_size(_encode(colour, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)) == jpeg.Size(21, 31, 3)


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: b"text", lambda d: d[:40], lambda d: d[:4] + d[9:]])
def test_damaged_files_are_refused(damage):
    good = _encode(np.zeros((16, 16), np.uint8))
    with pytest.raises(jpeg.JpegError, match="not a JPEG|header"):
        jpeg.read_size(damage(good))


def test_files_of_four_channels_are_refused():
    file = io.BytesIO()
    Image.new("CMYK", (16, 16)).save(file, "JPEG")
    with pytest.raises(jpeg.JpegError, match="4 channels"):
        jpeg.read_size(file.getvalue())


@pytest.mark.parametrize(
    ("top", "bottom", "message"),
    [
        (_encode(_planes(12, 16)[0]), None, "height 12 is not a multiple of 8"),
        (_encode(_planes(16, 16)[0]), _encode(_planes(16, 24)[0]), "differ in size"),
        (_encode(_planes(16, 16)[0], cv2.IMWRITE_JPEG_QUALITY, 50), _encode(_planes(16, 16)[1]), "different tables"),
        (_encode(_planes(16, 16)[0], cv2.IMWRITE_JPEG_PROGRESSIVE, 1), None, "not a baseline JPEG"),
        (_encode(_planes(16, 16)[0], cv2.IMWRITE_JPEG_RST_INTERVAL, 1), None, "restart intervals"),
        (_encode(np.zeros((16, 16, 3), np.uint8)), None, "3 channels"),
        (_encode(_planes(16, 16)[0])[:-20], None, "truncated"),
        (_encode(np.zeros((8 * 260, 8 * 260), np.uint8)), None, "larger than 65535 blocks"),
    ],
)
def test_what_cannot_be_joined_without_loss_is_refused(top, bottom, message):
    with pytest.raises(jpeg.JpegError, match=message):
        jpeg.join(top, bottom or top)

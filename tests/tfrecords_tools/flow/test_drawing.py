"""Text in pictures."""

import cv2
import numpy as np
import pytest

from tfrecords_tools.flow import drawing


@pytest.mark.parametrize("shade", [127, 255])
def test_white_letters_have_a_dark_rim_to_the_end_of_the_line(shade):
    picture = np.full((40, 480, 3), shade, np.uint8)
    drawing.write_text(picture, "wave: wave_of_waves_wave_u_nm_np1_fr_med_1.avi", (8, 20))
    assert (picture.max(axis=2) == picture.min(axis=2)).all()
    darkest = cv2.erode(picture[..., 0], np.ones((5, 5), np.uint8))
    changed = abs(picture[..., 0].astype(int) - shade) > 60
    assert changed[:, 340:].any() and (darkest[changed] < 100).all()

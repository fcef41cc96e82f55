import cv2
import numpy as np
import pytest

from tfrecords_tools.flow import methods


def _grey(frames: np.ndarray) -> np.ndarray:
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


@pytest.mark.parametrize("method", methods.METHODS)
def test_finds_a_known_translation(method, moving_texture):
    frames = _grey(moving_texture(3, (3, -2), seed=1, height=64, width=96))
    flow = methods.make_flow(method)(frames)
    assert flow.shape == (2, 64, 96, 2) and flow.dtype == np.float32
    error = np.linalg.norm(flow - np.array([3.0, -2.0]), axis=-1)[:, 8:-8, 8:-8]
    assert error.mean() < 0.3, error.mean()


@pytest.mark.parametrize("method", methods.METHODS)
def test_one_frame_has_no_flow(method, moving_texture):
    assert methods.make_flow(method)(_grey(moving_texture(1, (0, 0), seed=1))).shape == (0, 48, 64, 2)


@pytest.mark.parametrize("method", methods.METHODS)
def test_a_pair_alone_gives_the_same_as_in_a_batch(method, moving_texture):
    frames = _grey(moving_texture(4, (1, 1), seed=2, height=32, width=41))
    flow = methods.make_flow(method)
    batch = flow(frames)
    for i in range(3):
        np.testing.assert_array_equal(flow(frames[i : i + 2]), batch[i : i + 1])
    np.testing.assert_array_equal(flow(frames[:, ::-1]), flow(np.ascontiguousarray(frames[:, ::-1])))


@pytest.mark.slow
@pytest.mark.parametrize("method", methods.METHODS)
def test_the_number_of_threads_changes_nothing(method, moving_texture):
    # Records are made by single-threaded workers, prediction uses what the machine has: both must see the same flow.
    frames = _grey(moving_texture(2, (5, 3), seed=2, height=128, width=170))
    before = cv2.getNumThreads()
    results = []
    try:
        for threads in (1, 2, 5):
            cv2.setNumThreads(threads)
            results.append(methods.make_flow(method)(frames))
    finally:
        cv2.setNumThreads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="`flow` must be one of .*'dis'.*Received: flow='magic'"):
        methods.make_flow("magic")


def test_wrong_frames_are_refused():
    with pytest.raises(ValueError, match=r"uint8 \[n, H, W\].*Received: float32 \[2, 32, 32\]"):
        methods.make_flow("dis")(np.zeros((2, 32, 32), np.float32))


@pytest.mark.parametrize("method", ["tvl1", "dis"])
def test_videos_of_many_sizes_share_compilations(method, moving_texture, monkeypatch):
    shapes = []
    inner = methods._METHODS[method]
    monkeypatch.setitem(methods._METHODS, method, lambda frames: (shapes.append(frames.shape), inner(frames))[1])
    flow = methods.make_flow(method, sizes_vary=True)
    for height, width in ((64, 96), (60, 90), (33, 65)):
        frames = _grey(moving_texture(3, (2, 0), 0, height, width))
        result = flow(frames)
        assert result.shape == (2, height, width, 2) and result.flags.c_contiguous
        assert np.abs(np.median(result[:, 6:-6, 6:-6], axis=(0, 1, 2)) - (2, 0)).max() < 0.2
    assert len(set(shapes)) == (1 if method == "tvl1" else 3)

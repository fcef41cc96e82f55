import dataclasses

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from tfrecords_tools.flow import tvl1

QUICK = tvl1.TVL1Params(num_warps=2, num_iterations=10)


def _texture(height: int, width: int, seed: int = 0, blur: float = 2.0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), blur), None, 20, 235, cv2.NORM_MINMAX)


def _pair(step: tuple[int, int], height: int = 64, width: int = 96, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A texture that moves by `step` = (x, y) pixels, uint8 [1, H, W] twice."""
    canvas = _texture(height + 40, width + 40, seed)
    first = canvas[20 : 20 + height, 20 : 20 + width]
    second = canvas[20 - step[1] : 20 - step[1] + height, 20 - step[0] : 20 - step[0] + width]
    return tuple(np.rint(frame).astype(np.uint8)[np.newaxis] for frame in (first, second))


@pytest.fixture
def interpreted(monkeypatch):
    """Has the operations run one by one: for a frame size or a setting of its own, compiling would take longer."""

    def not_compiled(function, options, *signature):
        return lambda first, second: function(first, second, options)

    monkeypatch.setattr(tvl1.compilation, "_compile", not_compiled)


def _error(flow: np.ndarray, truth) -> float:
    return float(np.linalg.norm(flow - np.asarray(truth), axis=-1).mean())


@pytest.mark.parametrize("step", [(1, 0), (0, -1), (3, -2), (-9, 5)])
@pytest.mark.parametrize("params", [tvl1.TVL1Params(), tvl1.FAST], ids=["default", "fast"])
def test_finds_a_translation(step, params):
    flow = tvl1.tvl1_flow(*_pair(step), params)
    assert flow.shape == (1, 64, 96, 2) and flow.dtype == np.float32
    margin = max(map(abs, step)) + 2
    assert _error(flow[:, margin:-margin, margin:-margin], step) < 0.1


def test_finds_a_motion_of_15_pixels(interpreted):
    # What moves fast must be visible on the coarse scales.
    canvas = np.rint(_texture(140, 200, blur=8.0)).astype(np.uint8)
    flow = tvl1.tvl1_flow(canvas[np.newaxis, 10:130, 20:180], canvas[np.newaxis, 10:130, 5:165])
    assert _error(flow[:, 5:-5, 5:-20], (15, 0)) < 0.1


def test_iterations_equal_plain_numpy():
    rng = np.random.default_rng(3)
    u, v, constant, g_x, g_y = (rng.normal(0, scale, (1, 7, 9)).astype(np.float32) for scale in (1, 1, 5, 3, 3))
    dual = [rng.uniform(-0.4, 0.4, (7, 9)) for _ in range(4)]
    dual[0][:, -1] = dual[2][:, -1] = dual[1][-1] = dual[3][-1] = 0.0
    params = tvl1.TVL1Params()
    guarded = [ops.pad(ops.convert_to_tensor(part[np.newaxis], "float32"), ((0, 0), (1, 1), (1, 1))) for part in dual]
    got = tvl1._minimise((u, v), guarded, constant, (g_x, g_y), 6, params)

    flow = [u[0].astype(np.float64), v[0].astype(np.float64)]
    ahead = [part.copy() for part in flow]
    tau, sigma = params.primal_step, params.tau / params.primal_step
    for _ in range(6):
        for i, part in enumerate(ahead):
            dual[2 * i][:, :-1] += sigma * np.diff(part, axis=1)
            dual[2 * i + 1][:-1] += sigma * np.diff(part, axis=0)
        length = np.maximum(1.0, np.sqrt(sum(part**2 for part in dual)))
        dual = [part / length for part in dual]
        moved = [
            flow[i] + tau * (np.diff(dual[2 * i], axis=1, prepend=0.0) + np.diff(dual[2 * i + 1], axis=0, prepend=0.0))
            for i in range(2)
        ]
        # The proximal map of tau * h, where h(w) = min over m of lambda |rho(m)| + |w - m|^2 / (2 theta).
        g = [g_x[0].astype(np.float64), g_y[0].astype(np.float64)]
        rho = constant[0] + g[0] * moved[0] + g[1] * moved[1]
        squared = g[0] ** 2 + g[1] ** 2
        reach = params.lambda_ * (tau + params.theta)
        step = np.where(rho < -reach * squared, reach, np.where(rho > reach * squared, -reach, -rho / squared))
        new = [part + tau / (tau + params.theta) * step * slope for part, slope in zip(moved, g, strict=True)]
        ahead = [2 * part - old for part, old in zip(new, flow, strict=True)]
        flow = new
    for part, expected in zip((got[0], got[1]), flow, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(part)[0], expected, atol=2e-5)
    for part, expected in zip(got[2], dual, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(part)[0, 1:-1, 1:-1], expected, atol=2e-5)
        assert not ops.convert_to_numpy(part)[0, [0, -1]].any()


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 16), (16, 1), (2, 3), (5, 5), (11, 13), (16, 16), (33, 47)], ids=lambda size: f"{size}"
)
def test_any_size_gives_finite_flow(size, interpreted):
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 256, (2, *size), np.uint8) for _ in range(2))
    flow = tvl1.tvl1_flow(first, second, QUICK)
    assert flow.shape == (2, *size, 2) and np.isfinite(flow).all()


@pytest.mark.slow
def test_frames_beyond_1080p():
    first, second = _pair((6, -4), 1100, 1950)
    flow = tvl1.tvl1_flow(first, second, dataclasses.replace(QUICK, num_warps=(1, 2)))
    assert _error(flow[:, 10:-10, 10:-10], (6, -4)) < 0.1


def test_identical_frames_do_not_move():
    first, _ = _pair((0, 0))
    assert not tvl1.tvl1_flow(first, first).any()


@pytest.mark.parametrize("values", [(0, 0), (255, 255), (10, 200)])
def test_constant_frames_do_not_move(values, interpreted):
    first, second = (np.full((1, 24, 31), value, np.uint8) for value in values)
    assert not tvl1.tvl1_flow(first, second, QUICK).any()


def test_no_pairs_give_no_flow():
    assert tvl1.tvl1_flow(*[np.zeros((0, 8, 9), np.uint8)] * 2).shape == (0, 8, 9, 2)


def test_a_mirror_negates_u():
    first, second = _pair((3, 2))
    flow = tvl1.tvl1_flow(first, second)
    mirrored = tvl1.tvl1_flow(first[:, :, ::-1], second[:, :, ::-1])
    np.testing.assert_allclose(mirrored[:, :, ::-1] * [-1, 1], flow, atol=0.1)
    assert np.abs(mirrored[:, :, ::-1] * [-1, 1] - flow).mean() < 0.01


def test_a_change_of_brightness_is_not_motion():
    first, second = _pair((2, 1))
    brighter = np.rint(0.9 * second + 20).astype(np.uint8)
    inside = np.s_[:, 5:-5, 5:-5]
    assert _error(tvl1.tvl1_flow(first, brighter)[inside], (2, 1)) < 0.1
    without = dataclasses.replace(tvl1.TVL1Params(), match_brightness=False)
    assert _error(tvl1.tvl1_flow(first, brighter, without)[inside], (2, 1)) > 0.2


def test_an_object_moves_and_its_surroundings_do_not(interpreted):
    first = _texture(80, 100)
    second = first.copy()
    first[25:60, 30:65] = second[25:60, 34:69] = _texture(35, 35, seed=9)
    flow = tvl1.tvl1_flow(first[np.newaxis], second[np.newaxis])[0]
    assert _error(flow[30:55, 35:60], (4, 0)) < 0.2
    assert _error(flow[:18], (0, 0)) < 0.05 and _error(flow[:, 80:], (0, 0)) < 0.05


def test_same_input_same_bytes_whatever_threads_and_batches():
    pairs = [_pair(step, 40, 56, seed) for seed, step in enumerate([(1, 0), (-2, 3), (4, 4)])]
    first, second = (np.concatenate(frames) for frames in zip(*pairs, strict=True))
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = tvl1.tvl1_flow(first, second, QUICK)
        cv2.setNumThreads(3)
        together = tvl1.tvl1_flow(first, second, QUICK)
    finally:
        cv2.setNumThreads(before)
    np.testing.assert_array_equal(together, alone)
    for i in range(3):
        np.testing.assert_array_equal(tvl1.tvl1_flow(first[i : i + 1], second[i : i + 1], QUICK)[0], alone[i])


@pytest.mark.slow
def test_kinds_of_input_agree(interpreted):
    first, second = _pair((2, -1), 32, 40)
    flow = tvl1.tvl1_flow(first, second, QUICK)
    for dtype in ("float32", "float64"):
        np.testing.assert_array_equal(tvl1.tvl1_flow(first.astype(dtype), second.astype(dtype), QUICK), flow)
    of_tensors = tvl1.tvl1_flow(ops.convert_to_tensor(first), ops.convert_to_tensor(second), QUICK)
    assert ops.is_tensor(of_tensors)
    np.testing.assert_array_equal(ops.convert_to_numpy(of_tensors), flow)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="shows tracing by tf.function")
@pytest.mark.parametrize("jit_compile", [True, False])
def test_becomes_part_of_a_traced_function(jit_compile):
    import tensorflow as tf

    first, second = (np.concatenate([frames, frames[:, ::-1]]) for frames in _pair((2, -1), 32, 40))

    @tf.function(jit_compile=jit_compile, input_signature=[tf.TensorSpec([2, 32, 40], tf.uint8)] * 2)
    def traced(first, second):
        return tvl1.tvl1_flow(first, second, QUICK)

    np.testing.assert_allclose(traced(first, second), tvl1.tvl1_flow(first, second, QUICK), atol=1e-3)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts traces of tf.function")
def test_compiles_once_per_size(monkeypatch):
    traced = []
    estimate = tvl1.estimate
    monkeypatch.setattr(
        tvl1, "estimate", lambda *arguments: (traced.append(arguments[0].shape), estimate(*arguments))[1]
    )
    params = dataclasses.replace(QUICK, num_iterations=4)
    for pairs in (1, 2, 5):
        tvl1.tvl1_flow(*[np.zeros((pairs, 20, 24), np.uint8)] * 2, params)
    assert len(traced) == 1
    tvl1.tvl1_flow(*[np.zeros((1, 24, 20), np.uint8)] * 2, params)
    assert len(traced) == 2


GOOD = np.zeros((1, 8, 9), np.uint8)


@pytest.mark.parametrize(
    "first, second, message",
    [
        (GOOD[0], GOOD, r"`first` must be grey frames \[pairs, H, W\].*Received: first.shape=\[8, 9\]"),
        (GOOD, GOOD[..., np.newaxis], r"`second` must be grey frames.*second.shape=\[1, 8, 9, 1\]"),
        (GOOD[:, :0], GOOD[:, :0], r"`first` must be grey frames.*first.shape=\[1, 0, 9\]"),
        (GOOD, GOOD[:, 1:], r"`second` must have the shape of `first`, \[1, 8, 9\].*\[1, 7, 9\]"),
        (GOOD, np.zeros((2, 8, 9), np.uint8), r"`second` must have the shape of `first`"),
        (GOOD.astype(np.int32), GOOD, r"`first` must be uint8, or floating.*first.dtype=int32"),
        (GOOD, GOOD.astype(bool), r"`second` must be uint8.*second.dtype=bool"),
        (GOOD.tolist(), GOOD, r"`first` must be uint8.*first.dtype=list"),
        (GOOD - np.float32(1), GOOD, r"`first` must hold grey values in \[0, 255\].*-1.0"),
        (GOOD, GOOD + np.float32(256), r"`second` must hold grey values in \[0, 255\].*256.0"),
        (GOOD, GOOD * np.float32("nan"), r"`second` must hold grey values in \[0, 255\].*nan"),
    ],
)
def test_wrong_frames_are_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        tvl1.tvl1_flow(first, second)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"tau": 0.0}, r"`tau` must be finite and > 0. Received: tau=0.0"),
        ({"tau": 0.2}, r"`tau` must be at most 1/6.*Received: tau=0.2"),
        ({"lambda_": float("nan")}, r"`lambda_` must be finite and > 0"),
        ({"theta": -1.0}, r"`theta` must be finite and >= 0"),
        ({"primal_step": 0.0}, r"`primal_step`"),
        ({"scale_step": 1.0}, r"`scale_step` must lie in \(0, 1\)"),
        ({"num_scales": 0}, r"`num_scales` must be 1 or more"),
        ({"num_warps": (3, 0)}, r"`num_warps` must be 1 or more at every scale. Received: num_warps=\(3, 0\)"),
        ({"num_iterations": ()}, r"`num_iterations`"),
        ({"median_size": 4}, r"`median_size` must be odd"),
        ({"finest_scale": -1}, r"`finest_scale` must be 0 or more"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tvl1.TVL1Params(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"theta": 0.0},
        {"median_size": 1},
        {"median_size": 3},
        {"num_scales": 1},
        {"scale_step": 0.8},
        {"finest_scale": 1},
        {"match_brightness": False},
        {"num_iterations": 1},
    ],
    ids=str,
)
def test_every_setting_works(changes, interpreted):
    flow = tvl1.tvl1_flow(*_pair((1, 0), 40, 48), dataclasses.replace(tvl1.TVL1Params(), **changes))
    assert _error(flow[:, 4:-4, 4:-4], (1, 0)) < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("params, limit", [(tvl1.TVL1Params(), 0.150), (tvl1.FAST, 0.150)], ids=["default", "fast"])
def test_rubber_whale(shared_data, params, limit):
    folder = shared_data / "rubberwhale"
    first, second = (cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE) for name in ("frame10.png", "frame11.png"))
    content = (folder / "flow10.flo").read_bytes()
    width, height = np.frombuffer(content, np.int32, 2, offset=4)
    truth = np.frombuffer(content, np.float32, offset=12).reshape(height, width, 2)
    known = np.abs(truth).max(axis=-1) < 1e9
    flow = tvl1.tvl1_flow(first[np.newaxis], second[np.newaxis], params)[0]
    assert _error(flow[known], truth[known]) <= limit


def test_motion_grows_with_the_frame_along_each_axis():
    u, v = (ops.ones((1, 4, 10)) * value for value in (3.0, 5.0))
    u, v = tvl1._enlarge_flow([u, v], 6, 20)
    np.testing.assert_allclose(u, np.full((1, 6, 20), 3.0 * 2), rtol=1e-6)
    np.testing.assert_allclose(v, np.full((1, 6, 20), 5.0 * 1.5), rtol=1e-6)

"""TV-L1 optical flow as tensor operations: the same code on CPU and GPU, on TensorFlow and JAX, in a script or a model.

The flow w = (u, v) from frame I_1 to frame I_2 minimises, over the pixels,

    sum |grad w| + lambda * h(rho(w)),    rho(w) = I_2(x + w0) + grad I . (w - w0) - I_1,                         (1)

where |grad w| is the length of all four derivatives together, so that u and v have their edges in the same places, and
h is the absolute value, made quadratic where |rho| is small by coupling it with strength theta (the min over v of
lambda |rho(v)| + |w - v|^2 / (2 theta) in Zach et al.). I_2 is linearised about w0, a number of times (warps), from a
coarse scale to a fine one; between warps a median filter removes outliers. The minimum is found by the primal-dual
iteration of Chambolle and Pock, which gets nearer to it in 20 steps than the alternation of Zach et al. in 40.

Before rho is taken, I_2 gets the gain and offset that fit it best to I_1 as far as they are aligned, since a camera's
change of exposure is not motion.

References:
    Zach, Pock, Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow", DAGM 2007.
    Sanchez, Meinhardt-Llopis, Facciolo, "TV-L1 Optical Flow Estimation", IPOL 2013.
    Chambolle, Pock, "A First-Order Primal-Dual Algorithm for Convex Problems with Applications to Imaging", JMIV 2011.
    Wedel et al., "An Improved Algorithm for TV-L1 Optical Flow", 2009 (median filter, averaged gradients).
"""

import dataclasses
import math
from typing import Any

import cv2
import numpy as np
from keras import ops

from tfrecords_tools.flow import compile as compilation
from tfrecords_tools.flow import resampling

_SMALLEST_SIDE = 12  # pixels; a coarser scale shows no structure that could be matched
_OUTLIER = 4.0  # grey levels of mismatch from which on a pixel has little say in gain and offset
_TINY = 1e-6


@dataclasses.dataclass(frozen=True)
class TVL1Params:
    """Settings of `tvl1_flow`.

    Attributes:
        tau: Product of the primal and the dual step, > 0; the iteration is stable up to 1/6.
        lambda_: Weight of the data term against smoothness, per grey level (of 255), > 0. Smaller is smoother.
        theta: Coupling, in pixels squared, >= 0: mismatches that a motion of up to lambda * theta * |grad I| pixels
            explains count quadratically, larger ones linearly. 0 is the pure L1 data term.
        primal_step: Step of the flow in pixels, > 0; the dual step is tau / primal_step. Large steps fill plain areas
            sooner, small ones settle details and noise sooner.
        num_scales: Most scales of the pyramid, >= 1; there are fewer where a side would get shorter than 12 pixels.
        scale_step: Size of a scale relative to the next finer one, in (0, 1).
        num_warps: Linearisations at each scale, >= 1. A number, or one for each scale from the finest on, of which the
            last holds for all coarser ones.
        num_iterations: Iterations per warp, >= 1; likewise. An odd number does one more.
        median_size: Side of the median filter's square, in pixels, odd; 1 is no filter.
        match_brightness: Whether I_2 is fitted to I_1 by gain and offset.
        finest_scale: Scale at which to stop, 0 for the frames' own. From a coarser one the flow is enlarged.
    """

    tau: float = 1.0 / 6.0
    lambda_: float = 0.135
    theta: float = 0.2
    primal_step: float = 0.6
    num_scales: int = 10
    scale_step: float = 0.5
    num_warps: int | tuple[int, ...] = (4, 5)
    num_iterations: int | tuple[int, ...] = (30, 40, 60)
    median_size: int = 5
    match_brightness: bool = True
    finest_scale: int = 0

    def __post_init__(self) -> None:
        for name in ("tau", "lambda_", "theta", "primal_step", "scale_step"):
            value = getattr(self, name)
            if not (math.isfinite(value) and (value > 0 or (name == "theta" and value == 0))):
                bound = ">= 0" if name == "theta" else "> 0"
                raise ValueError(f"`{name}` must be finite and {bound}. Received: {name}={value}")
        if self.tau > 1.0 / 6.0:
            raise ValueError(
                f"`tau` must be at most 1/6, beyond which the iteration diverges. Received: tau={self.tau}"
            )
        if self.scale_step >= 1:
            raise ValueError(f"`scale_step` must lie in (0, 1). Received: scale_step={self.scale_step}")
        for name in ("num_warps", "num_iterations"):
            given = getattr(self, name)
            schedule = (given,) if isinstance(given, int) else tuple(given)
            if not schedule or min(schedule) < 1:
                raise ValueError(f"`{name}` must be 1 or more at every scale. Received: {name}={given}")
            object.__setattr__(self, name, schedule)
        if self.num_scales < 1:
            raise ValueError(f"`num_scales` must be 1 or more. Received: num_scales={self.num_scales}")
        if self.median_size < 1 or self.median_size % 2 == 0:
            raise ValueError(f"`median_size` must be odd and 1 or more. Received: median_size={self.median_size}")
        if self.finest_scale < 0:
            raise ValueError(f"`finest_scale` must be 0 or more. Received: finest_scale={self.finest_scale}")


FAST = TVL1Params(num_warps=(3, 6), num_iterations=(26, 30, 40), primal_step=0.65)
"""A preset for speed: three quarters of the time, for at most a tenth more error (benchmarks/README.md)."""


def tvl1_flow(first: Any, second: Any, params: TVL1Params = TVL1Params()) -> Any:
    """Estimates the motion from each frame of `first` to the frame of `second` beside it.

    Compiled by XLA at the first call for a frame size, in seconds; calls with another number of pairs compile nothing.
    On a CPU, pairs are spread over as many threads as OpenCV is set to use (`cv2.setNumThreads`). Within a function
    that is being traced, the operations become part of it. The same input gives the same bytes on one machine, whatever
    the number of threads and pairs.

    Args:
        first: Grey frames, uint8, or floating point in [0, 255], [pairs, H, W] of static size.
        second: The frames that follow, of the same shape.
        params: Settings.

    Returns:
        float32 [pairs, H, W, 2], (u, v): pixels per frame to the right and downwards, at the places of `first`. A NumPy
        array for NumPy arrays, else a tensor.

    Raises:
        ValueError: A wrong shape or data type, sizes that differ, or values that are not in [0, 255].
    """
    for name, frames in (("first", first), ("second", second)):
        _check(name, frames)
    if tuple(first.shape) != tuple(second.shape):
        raise ValueError(
            f"`second` must have the shape of `first`, {list(first.shape)}. Received: second.shape={list(second.shape)}"
        )
    if compilation.is_symbolic(first) or compilation.is_symbolic(second):
        return estimate(first, second, params)
    arrays = tuple(
        frames if isinstance(frames, np.ndarray) else ops.convert_to_numpy(frames) for frames in (first, second)
    )
    for name, frames in zip(("first", "second"), arrays, strict=True):
        if frames.dtype != np.uint8 and frames.size and not (frames.min() >= 0 and frames.max() <= 255):
            raise ValueError(
                f"`{name}` must hold grey values in [0, 255]. Received: {name} in [{frames.min()}, {frames.max()}]"
            )
    if len(arrays[0]) == 0:
        flow = np.zeros((*arrays[0].shape, 2), np.float32)
    else:
        flow = compilation.call_by_pairs(estimate, arrays, params, max(cv2.getNumThreads(), 1))
    return flow if isinstance(first, np.ndarray) else ops.convert_to_tensor(flow)


def estimate(first: Any, second: Any, params: TVL1Params) -> Any:
    """The operations of `tvl1_flow` as they are, for use in a larger function; arguments and result as there."""
    pyramid = [(ops.cast(first, "float32"), ops.cast(second, "float32"))]
    batch, height, width = first.shape
    for scale in range(1, params.num_scales):
        smaller = [math.ceil(side * params.scale_step**scale) for side in (height, width)]
        if min(smaller) < _SMALLEST_SIDE or smaller == list(pyramid[-1][0].shape[1:]):
            break
        pyramid.append(tuple(resampling.shrink(frame, *smaller) for frame in pyramid[-1]))

    finest = min(params.finest_scale, len(pyramid) - 1)
    coarsest = (batch, *pyramid[-1][0].shape[1:])
    flow = [ops.zeros(coarsest, "float32") for _ in "uv"]
    dual = [ops.zeros(coarsest, "float32") for _ in range(4)]
    gain_and_offset = [ops.ones((batch, 1, 1), "float32"), ops.zeros((batch, 1, 1), "float32")]
    brightness = gain_and_offset if params.match_brightness else []
    for scale in range(len(pyramid) - 1, finest - 1, -1):
        frames = pyramid[scale]
        flow = _enlarge_flow(flow, *frames[0].shape[1:])
        dual = [resampling.repeat(part, *frames[0].shape[1:]) for part in dual]
        flow, dual, brightness = _refine(frames, flow, dual, brightness, scale, params)
    return ops.stack(_enlarge_flow(flow, height, width), axis=-1)


def _refine(frames: Any, flow: Any, dual: Any, brightness: Any, scale: int, params: TVL1Params) -> tuple[Any, Any, Any]:
    """All warps at one scale: linearises, iterates, filters."""
    first, second = frames
    first_gradient = resampling.gradient(first)

    def warp_once(count: Any, u: Any, v: Any, dual: Any, brightness: Any) -> tuple[Any, ...]:
        warped, inside = resampling.warp(second, u, v)
        if params.match_brightness:
            brightness = _match_brightness(first, warped, inside, *brightness)
            warped = brightness[0] * warped + brightness[1]
        # What comes from outside the frame matches nothing: there, smoothness alone decides.
        gradient = [
            0.5 * inside * (one + other) for one, other in zip(first_gradient, resampling.gradient(warped), strict=True)
        ]
        # A slope that is only rounding says nothing either: plain frames have no motion, exactly.
        plain = gradient[0] ** 2 + gradient[1] ** 2 < _TINY
        gradient = [ops.where(plain, 0.0, part) for part in gradient]
        constant = inside * (warped - first) - gradient[0] * u - gradient[1] * v  # of rho, Eq. (1)
        u, v, dual = _minimise((u, v), dual, constant, gradient, _at(params.num_iterations, scale), params)
        u, v = (resampling.median(part, params.median_size) for part in (u, v))
        return count + 1, u, v, dual, brightness

    num_warps = _at(params.num_warps, scale)
    state = (0, *flow, [_guard(part) for part in dual], brightness)
    _, u, v, dual, brightness = ops.while_loop(lambda count, *_: count < num_warps, warp_once, state)
    return [u, v], [_inner(part) for part in dual], brightness


def _minimise(
    flow: Any, dual: Any, constant: Any, gradient: Any, num_iterations: int, params: TVL1Params
) -> tuple[Any, Any, Any]:
    """Minimises Eq. (1) for fixed linearisation, by Algorithm 1 of Chambolle and Pock.

    This is where the time goes. The arrays whose neighbours are read have a border of one pixel, which is never
    written: a shift is then a slice, and the compiled loop has no branch. Each array has a spare one, which takes the
    next values: a loop of XLA's that reads and writes one array is not vectorised. Outside the frame the dual field is
    zero; its components that point across the last row or column are kept zero by their step.
    """
    g_x, g_y = gradient
    height, width = constant.shape[1:]
    step = params.primal_step
    x_step, y_step = (np.full(shape, params.tau / step, np.float32) for shape in ((1, width), (height, 1)))
    x_step[:, -1] = y_step[-1] = 0.0
    inverse = 1.0 / ops.maximum(g_x * g_x + g_y * g_y, _TINY)
    # The data term's proximal map: h is the Moreau envelope of |rho| with parameter theta.
    share = step / (step + params.theta)
    limit = params.lambda_ * (step + params.theta)

    def iterate(flow: Any, last_flow: Any, dual: Any, spare_dual: Any) -> tuple[Any, ...]:
        # Dual ascent along the gradient of the extrapolated flow, then back into the unit ball.
        ascended = []
        for part, last, (along_x, along_y) in zip(flow, last_flow, (dual[:2], dual[2:]), strict=True):
            ahead = 2.0 * part - last
            ascended.append(_inner(along_x) + x_step * (ahead[:, 1:-1, 2:] - _inner(ahead)))
            ascended.append(_inner(along_y) + y_step * (ahead[:, 2:, 1:-1] - _inner(ahead)))
        shrink = ops.minimum(1.0, ops.rsqrt(ops.maximum(sum(part * part for part in ascended), _TINY)))
        new_dual = [_write(place, part * shrink) for place, part in zip(spare_dual, ascended, strict=True)]
        # Primal descent: the divergence of the dual field, then the data term.
        u, v = (
            _inner(part) + step * (_inner(along_x) - along_x[:, 1:-1, :-2] + _inner(along_y) - along_y[:, :-2, 1:-1])
            for part, (along_x, along_y) in zip(flow, (new_dual[:2], new_dual[2:]), strict=True)
        )
        rho = constant + g_x * u + g_y * v
        length = share * ops.clip(-rho * inverse, -limit, limit)  # in units of grad I
        new_flow = [
            _write(place, part + length * g) for place, part, g in zip(last_flow, (u, v), gradient, strict=True)
        ]
        return new_flow, flow, new_dual, dual

    def iterate_twice(count: Any, *state: Any) -> tuple[Any, ...]:
        return (count + 1, *iterate(*iterate(*state)))  # after two, each array is in its old place again

    guarded = [_guard(part) for part in flow]
    state = (0, guarded, list(guarded), list(dual), [ops.zeros_like(part) for part in dual])
    _, flow, _, dual, _ = ops.while_loop(lambda count, *_: count < (num_iterations + 1) // 2, iterate_twice, state)
    u, v = (_inner(part) for part in flow)
    return u, v, list(dual)


def _match_brightness(first: Any, warped: Any, inside: Any, gain: Any, offset: Any) -> list[Any]:
    """Fits gain * warped + offset to `first`, each [B, H, W], over the pixels that match by the fit so far.

    The gain is a ratio of deviations: a regression's would be too small wherever the frames are not aligned yet.
    """

    def mean(values: Any) -> Any:  # Rows first, which is a vector operation.
        return ops.sum(ops.sum(weight * values, axis=1, keepdims=True), axis=2, keepdims=True) / total

    mismatch = gain * warped + offset - first
    weight = inside / (1.0 + (mismatch / _OUTLIER) ** 2)
    total = 1.0
    total = mean(ops.ones_like(weight)) + _TINY
    first_mean, warped_mean = mean(first), mean(warped)
    first_variance, warped_variance = mean((first - first_mean) ** 2), mean((warped - warped_mean) ** 2)
    gain = ops.sqrt((first_variance + 1.0) / (warped_variance + 1.0))
    return [gain, first_mean - gain * warped_mean]


def _enlarge_flow(flow: Any, height: int, width: int) -> list[Any]:
    old_height, old_width = flow[0].shape[1:]
    if (old_height, old_width) == (height, width):
        return list(flow)
    factors = (width / old_width, height / old_height)
    return [resampling.enlarge(part, height, width) * factor for part, factor in zip(flow, factors, strict=True)]


def _at(schedule: Any, scale: int) -> int:
    return schedule[min(scale, len(schedule) - 1)]


def _guard(array: Any) -> Any:
    """Puts a border of zeros around [B, H, W]."""
    return ops.pad(array, ((0, 0), (1, 1), (1, 1)))


def _inner(guarded: Any) -> Any:
    return guarded[:, 1:-1, 1:-1]


def _write(guarded: Any, inner: Any) -> Any:
    return ops.slice_update(guarded, (0, 1, 1), inner)


def _check(name: str, frames: Any) -> None:
    shape, dtype = getattr(frames, "shape", None), str(getattr(frames, "dtype", type(frames).__name__))
    dtype = dtype.removeprefix("<dtype: '").removesuffix("'>")
    if shape is None or dtype not in ("uint8", "float16", "bfloat16", "float32", "float64"):
        raise ValueError(f"`{name}` must be uint8, or floating point in [0, 255]. Received: {name}.dtype={dtype}")
    if len(shape) != 3 or any(side is None for side in shape) or 0 in tuple(shape[1:]):
        raise ValueError(
            f"`{name}` must be grey frames [pairs, H, W] of static size, H and W at least 1. "
            f"Received: {name}.shape={list(shape)}"
        )

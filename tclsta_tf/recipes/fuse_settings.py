"""How score files are fused; known to the command line without what does it, which takes a second to load."""

import dataclasses
import math
import re

from tclsta_tf import config

METHODS = ("late", "late-1:1.5", "late-grid", "awl-lp", "awl-regularised", "mkl")
_RATIO = re.compile(r"late(?:-([0-9.e+-]+):([0-9.e+-]+))?")


@dataclasses.dataclass(frozen=True)
class FuseSettings:
    """How to fuse.

    Attributes:
        methods: Among `METHODS`, or `late-A:B` with static weight A and motion weight B.
        trade_offs: Candidates of AWL's lambda, finite and >= 0.
        floors: Candidates of the smallest weight of "awl-lp", in [0, 0.5].
        strengths: Candidates of the entropy weight of "awl-regularised", finite and > 0.
        mkl_norm: p of "mkl", finite and >= 1.
        mkl_cost: C of the SVMs of "mkl", finite and > 0.
        seed: Of folds and draws.
    """

    methods: tuple[str, ...] = METHODS
    trade_offs: tuple[float, ...] = config.FusionConfig.awl_lambda
    floors: tuple[float, ...] = config.FusionConfig.awl_floor
    strengths: tuple[float, ...] = config.FusionConfig.awl_strength
    mkl_norm: float = config.FusionConfig.mkl_norm
    mkl_cost: float = config.FusionConfig.mkl_c
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.methods:
            raise ValueError(f"`methods` must name at least one of {', '.join(METHODS)}. Received: methods=()")
        for method in self.methods:
            if method not in METHODS and not _RATIO.fullmatch(method):
                raise ValueError(
                    f"`methods` must be among {', '.join(METHODS)}, or late-A:B for any ratio of static and motion. "
                    f"Received: {method!r}"
                )
            if not needs_fit(method):
                ratio(method)
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"`methods` must differ. Received: methods={','.join(self.methods)}")


def needs_fit(method: str) -> bool:
    """Whether the weights of a method are learned."""
    return not _RATIO.fullmatch(method)


def ratio(method: str) -> tuple[float, float]:
    """Returns the static and the motion weight of "late" or "late-A:B"; raises ValueError where they are none."""
    static, _, motion = method.removeprefix("late").removeprefix("-").partition(":")
    try:
        pair = float(static or 1), float(motion or 1)
    except ValueError:
        pair = math.nan, math.nan
    if not all(0 <= weight < math.inf for weight in pair) or max(pair) == 0:
        raise ValueError(f"`methods`: late-A:B needs two finite numbers >= 0, not both 0. Received: {method!r}")
    return pair

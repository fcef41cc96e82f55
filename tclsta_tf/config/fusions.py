"""Fusion of the two streams."""

import dataclasses
import math

from tclsta_tf.config import fields


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """Fusion of the two streams: adaptively weighted learning (paper: Section III-B.2) and what it is compared with.

    Everything here is learned on videos of the training part. Where a setting has several values, one of them is chosen
    by cross-validation over groups of those videos.

    Attributes:
        awl: Adaptively weighted learning: `lp` solves the linear programme of Eq. (13) with a floor, `regularised` adds
            an entropy term. The other one is in the report too.
        awl_lambda: Weight of the other classes' scores in Eq. (10); one value or several to choose from.
        awl_floor: Smallest weight of a stream in `lp`, in [0, 0.5]; 0.5 is late fusion. One value or several.
        awl_strength: Strength of the entropy term in `regularised`; larger pulls to equal weights. One value or
            several.
        awl_scores: Whose scores fusion is learned on: `validation` is the part of the training videos that the streams
            were not trained on; `kfold` trains everything `awl_folds` times more, so that every training video gets
            scores of networks that have not seen it; `train` takes the training videos themselves (the paper's letter).
        awl_folds: Parts of `kfold` and of the cross-validation.
        late_weights: Further ratios static:motion of late fusion in the report, with commas between; equal weights and
            the best ratio on the videos that fusion is learned on are always there.
        svm_c: C of the linear support vector machine of early fusion; one value or several to choose from.
        mkl_norm: Norm p of multiple kernel learning, at least 1: 1 picks few kernels, large values weigh all alike.
        mkl_c: C of the support vector machines of multiple kernel learning.
    """

    awl: str = fields.choices("lp", "regularised")
    awl_lambda: tuple[float, ...] = (0.0, 0.001, 0.005, 0.02, 0.1)
    awl_floor: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    awl_strength: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 5.0, 20.0)
    awl_scores: str = fields.choices("validation", "kfold", "train")
    awl_folds: int = 5
    late_weights: str = "1:1.5"
    svm_c: tuple[float, ...] = (1.0,)
    mkl_norm: float = 2.0
    mkl_c: float = 1.0

    def __post_init__(self) -> None:
        fields.check_choices(self)
        fields.check(
            all(0 <= value < math.inf for value in self.awl_lambda), "awl_lambda", "0 or more", self.awl_lambda
        )
        fields.check(all(0 <= value <= 0.5 for value in self.awl_floor), "awl_floor", "in [0, 0.5]", self.awl_floor)
        for name in ("awl_strength", "svm_c"):
            values = getattr(self, name)
            fields.check(all(0 < value < math.inf for value in values), name, "positive and finite", values)
        for name in ("awl_lambda", "awl_floor", "awl_strength", "svm_c"):
            fields.check(len(getattr(self, name)) > 0, name, "one value at least", getattr(self, name))
        fields.check(self.awl_folds >= 2, "awl_folds", "at least 2", self.awl_folds)
        fields.check(1 <= self.mkl_norm < math.inf, "mkl_norm", "at least 1 and finite", self.mkl_norm)
        fields.check(0 < self.mkl_c < math.inf, "mkl_c", "positive and finite", self.mkl_c)
        self.late_ratios()

    def late_ratios(self) -> dict[str, tuple[float, float]]:
        """`late_weights` as text -> weights of static and motion."""
        ratios = {}
        for text in filter(None, (part.strip() for part in self.late_weights.split(","))):
            try:
                static, motion = map(float, text.split(":"))
            except ValueError:
                static = motion = math.nan
            usable = 0 <= static < math.inf and 0 <= motion < math.inf and static + motion > 0
            fields.check(usable, "late_weights", "ratios static:motion such as 1:1.5", self.late_weights)
            ratios[text] = (static, motion)
        return ratios

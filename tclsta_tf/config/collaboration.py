"""The collaborative learning network."""

import dataclasses

from tclsta_tf.config import fields


@dataclasses.dataclass(frozen=True)
class CollaborativeConfig:
    """The collaborative learning network (paper: Section III-B.1).

    Attributes:
        collaborative_network: `paper` is Algorithm 1 with two softmaxes, `release` the network the authors published.
        collaborative_input: Features that enter: `beta` (Eq. (6), with temporal attention) or `alpha` (without).
        rescale_temporal: Multiplies beta by N, which undoes its factor of about 1/N.
        collaborative_width: Rows of H in Eq. (7).
        collab_rounds: Rounds of Algorithm 1 that are unrolled.
        alternate_updates: Even steps train the motion side with the static side stopped, odd steps the reverse.
        collaborative_dropout: Dropout rate of the `release` network, in [0, 1).
        collaborative_start: `random`; or `streams`: the two classifiers start as the streams' own and every frame
            counts alike, so that the network starts as the late fusion of the streams. For the `paper` network, and
            features of the size that the classifiers know: with `rescale_temporal`, or `alpha`.
    """

    collaborative_network: str = fields.choices("paper", "release")
    collaborative_input: str = fields.choices("beta", "alpha")
    rescale_temporal: bool = False
    collaborative_width: int = 512
    collab_rounds: int = 3
    alternate_updates: bool = False
    collaborative_dropout: float = 0.5
    collaborative_start: str = fields.choices("random", "streams")

    def __post_init__(self) -> None:
        fields.check_choices(self)
        for name in ("collaborative_width", "collab_rounds"):
            fields.check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        fields.check(
            0 <= self.collaborative_dropout < 1, "collaborative_dropout", "in [0, 1)", self.collaborative_dropout
        )
        if self.alternate_updates and self.collaborative_network == "release":
            raise ValueError(
                "`alternate_updates` needs two losses, which the release network has not. "
                "Use --collaborative_network=paper or --noalternate_updates"
            )
        if self.collaborative_start == "streams":
            if self.collaborative_network == "release":
                raise ValueError(
                    "`collaborative_start` must be random for the release network, which has no classifier for each "
                    "stream. Received: collaborative_start=streams"
                )
            if self.collaborative_input == "beta" and not self.rescale_temporal:
                raise ValueError(
                    "`collaborative_start` must be random where beta keeps its factor of 1/N, which the streams' "
                    "classifiers do not know. Received: collaborative_start=streams; add --rescale_temporal"
                )

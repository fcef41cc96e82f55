"""The exported model."""

import dataclasses

from tclsta_tf.config import fields


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """How a trained run becomes a SavedModel.

    Attributes:
        motion: `tvl1` has the motion stream, whose optical flow the model computes itself; `none` leaves it out, and
            with it the collaborative network and the fusion: frames alone, many times as fast.
        precision: Numbers that both streams compute with: as `trained`, `float32`, or where they matter little
            `bfloat16` or `float16`. Optical flow is computed in float32.
        quantise: `int8` stores large weights in 8 bits, a quarter of the size; arithmetic stays as it is.
        xla: What XLA compiles when the model is first asked: the `flow`, or with `none` nothing, for servers that have
            no XLA; the flow then runs operation by operation, to the same values and far slower.
        frame_size: Width x height in pixels of the raw frames that are sent, such as 340x256, for records whose videos
            keep their shapes (--resize=short_side=...): empty takes frames of 4:3. Others have one size already.
        flow_batch: Pairs of frames whose flow is computed at once: 1 for a CPU, 16 or more for a GPU.
        tflite: Also writes `<output_dir>/<version>.tflite`, signature `precomputed`.
        onnx: Also writes `<output_dir>/<version>.onnx`, signature `precomputed`; needs tf2onnx (BUILD.md).
    """

    motion: str = fields.choices("tvl1", "none")
    precision: str = fields.choices("trained", "float32", "bfloat16", "float16")
    quantise: str = fields.choices("none", "int8")
    xla: str = fields.choices("flow", "none")
    frame_size: str = ""
    flow_batch: int = 1
    tflite: bool = False
    onnx: bool = False

    def __post_init__(self) -> None:
        fields.check_choices(self)
        fields.check(self.flow_batch >= 1, "flow_batch", "at least 1", self.flow_batch)

    def to_json(self) -> dict[str, object]:
        """The settings as a JSON object."""
        return dataclasses.asdict(self)

"""How much arithmetic the networks that are measured do."""

from tclsta_tf.models import counting


def attention(size: counting.Size, cam_units: int, cam_groups: int, lstm_units: int) -> int:
    """Multiply-adds that both attentions add to a backbone for one frame; the small dense layers are left out.

    Args:
        size: of the backbone.
        cam_units: channels of the CAM convolution.
        cam_groups: its groups.
        lstm_units: size of the LSTM's state.
    """
    cells = size.grid[0] * size.grid[1]
    return 9 * size.depth * cam_units // cam_groups * cells + 4 * lstm_units * (size.depth + lstm_units)

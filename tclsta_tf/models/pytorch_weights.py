"""Backbones with the weights of a PyTorch network, for input scaled as this project does it."""

import dataclasses
from collections.abc import Mapping

import keras
import numpy as np

from tclsta_tf.layers import input_scaling
from tclsta_tf.models import backbones, pytorch_names

# Those that are, layer by layer, networks of torchvision.
NAMES = ("resnet50v15", "vgg16", "alexnet")
_REASONS = {
    "resnet50": "PyTorch's ResNet-50 has the stride in its 3x3 convolutions: it is resnet50v15 here",
    "googlenet": "torchvision's has 3x3 convolutions in its 5x5 branches and pools 2x2 in front of inception5a, "
    "where this one follows the paper",
}


@dataclasses.dataclass(frozen=True)
class Imported:
    """What an import gave.

    Attributes:
        backbone: with the weights, for 3 channels or for those of the motion stream.
        naming: that of the state dict.
        channels: of the PyTorch network.
    """

    backbone: keras.Model
    naming: pytorch_names.Naming
    channels: int


def import_state_dict(
    name: str,
    state: Mapping[str, np.ndarray],
    flow_channels: int,
    flow_mean: float | None = None,
    flow_deviation: float | None = None,
) -> Imported:
    """Builds a backbone with the weights of a PyTorch network that gives the same features.

    The two differ in how bytes are scaled. That is made up for in the first convolution: its kernel is multiplied, per
    channel, by the ratio of the deviations, and what the difference of the means adds goes into its bias, or out of the
    mean of the normalisation behind it. At the image's border that is not exact where the means differ, since each
    network pads with its own mean. They do not differ for `resnet50v15` on frames and for MMAction2's flow; they do by
    half a byte at most otherwise.

    A network for fewer fields of flow than the motion stream's sees each field's kernel repeated for consecutive fields
    and divided by their number: it gives the features that it would give for the means of these fields.

    Args:
        name: of the backbone, one of `NAMES`.
        state: the state dict, float [...] each.
        flow_channels: channels of the motion stream, 2L for L fields.
        flow_mean: float, in bytes: what the PyTorch network's input was reduced by. None: as the names' project does.
        flow_deviation: float > 0, in bytes: what it was divided by. None likewise.

    Returns:
        The backbone, built for `flow_scale=1` where it is one of flow.

    Raises:
        ValueError: the backbone has no PyTorch network, an entry is missing, too many or of another shape, the number
            of channels is not one that the streams can take, or nothing says how flow was scaled.
    """
    check_name(name)
    state = {key.removeprefix("module."): value for key, value in state.items()}
    naming = pytorch_names.recognise(state)
    entry = f"{pytorch_names.module(name, backbones.FIRST_CONVOLUTIONS[name], naming)}.weight"
    channels = _channels(state, entry, naming, flow_channels)
    mean, deviation = _input_statistics(channels, naming, flow_mean, flow_deviation)
    backbone = backbones.build_backbone(name, 3 if channels == 3 else flow_channels)
    layers = [layer for layer in backbone.layers if layer.weights]
    expected: dict[str, tuple[int, ...]] = {}
    for layer in layers:
        shapes = [weight.shape for weight in layer.weights]
        expected.update(zip(pytorch_names.entries(name, layer, naming), shapes, strict=True))
    expected[entry] = (*expected[entry][:2], channels, expected[entry][3])
    _check(expected, state, naming)
    kernel = _to_keras(state[entry])
    if channels != 3:
        kernel = _stretch(kernel, flow_channels)
    kernel, offset = _fold(kernel, backbone.get_layer("input_scaling"), mean, deviation)
    for position, layer in enumerate(layers):
        values = [_to_keras(state[key]) for key in pytorch_names.entries(name, layer, naming)]
        if position == 0:
            values[0] = kernel
        if position == 0 and layer.use_bias:
            values[1] = values[1] + offset
        if position == 1 and not layers[0].use_bias:
            values[2] = values[2] - offset  # the mean that the normalisation behind it subtracts
        layer.set_weights(values)
    return Imported(backbone, naming, channels)


def check_name(name: str) -> None:
    """Refuses a backbone that no PyTorch network equals.

    Args:
        name: of the backbone.

    Raises:
        ValueError: it is none of `NAMES`; says why.
    """
    if name not in NAMES:
        reason = _REASONS.get(name, "torchvision has no such network")
        raise ValueError(f"`name` must be one of {', '.join(NAMES)}. Received: name={name} ({reason})")


def _channels(state: Mapping[str, np.ndarray], entry: str, naming: pytorch_names.Naming, flow_channels: int) -> int:
    """Channels of the network's input, which its first kernel tells."""
    if entry not in state:
        raise ValueError(_misfit(f"lacks {entry}", naming))
    shape = state[entry].shape
    channels = shape[1] if len(shape) == 4 else 0
    if channels != 3 and (channels < 2 or channels % 2 or flow_channels % channels):
        raise ValueError(
            f"`state` must be that of a network for RGB, or for L fields of flow where L divides the "
            f"{flow_channels // 2} of a stack. Received: {entry} of shape {list(shape)}, so {channels} channels"
        )
    return channels


def _input_statistics(
    channels: int, naming: pytorch_names.Naming, flow_mean: float | None, flow_deviation: float | None
) -> tuple[np.ndarray | float, np.ndarray | float]:
    """Mean and deviation, in bytes, by which the PyTorch network's input was scaled; of RGB in this order."""
    if channels == 3:  # the same for all three projects
        return 255.0 * np.array(input_scaling.IMAGENET_MEAN_RGB), 255.0 * np.array(input_scaling.IMAGENET_DEVIATION_RGB)
    mean = naming.flow_mean if flow_mean is None else flow_mean
    deviation = naming.flow_deviation if flow_deviation is None else flow_deviation
    if mean is None or deviation is None:
        raise ValueError(
            f"`flow_mean` and `flow_deviation` must be given: names of {naming.project} do not tell how flow was scaled"
        )
    return mean, deviation


def _check(
    expected: Mapping[str, tuple[int, ...]], state: Mapping[str, np.ndarray], naming: pytorch_names.Naming
) -> None:
    """Compares the entries of a state dict with those that a backbone takes, whose shapes are Keras'."""
    for entry, shape in expected.items():
        if entry not in state:
            raise ValueError(_misfit(f"lacks {entry}", naming))
        if _to_keras(state[entry]).shape != shape:
            raise ValueError(_misfit(f"has {entry} of shape {list(state[entry].shape)}", naming))
    for entry in state:
        if entry not in expected and not pytorch_names.is_left_out(entry, naming):
            raise ValueError(_misfit(f"has {entry} besides", naming))


def _misfit(what: str, naming: pytorch_names.Naming) -> str:
    return (
        f"`state` is that of another network: read by the names of {naming.project}, it {what}. Give the `name` that "
        "it was made for: resnet50v15 for a ResNet-50, vgg16 for a VGG-16 without batch normalisation, alexnet"
    )


def _to_keras(values: np.ndarray) -> np.ndarray:
    """A kernel [filters, channels, height, width] as [height, width, channels, filters]; others as they are."""
    return values.transpose(2, 3, 1, 0) if values.ndim == 4 else values


def _stretch(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Repeats each field's part of a kernel [h, w, 2L, filters] for consecutive fields, keeping the sum."""
    height, width, own, filters = kernel.shape
    times = channels // own
    fields = kernel.reshape(height, width, own // 2, 2, filters)  # u and v of a field are neighbours
    return np.repeat(fields, times, axis=2).reshape(height, width, channels, filters) / times


def _fold(
    kernel: np.ndarray, scaling: input_scaling.InputScaling, mean: np.ndarray | float, deviation: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Makes a kernel for (bytes - mean) / deviation, in RGB order, one for what `scaling` gives.

    Returns:
        The kernel, and what has to be added behind it, float [filters].
    """
    own_mean: np.ndarray | float = input_scaling.ZERO_FLOW
    own_deviation: np.ndarray | float = 1.0
    if scaling.kind == "frames":
        own_mean = np.array(input_scaling.IMAGENET_MEAN_BGR)[::-1]
    elif scaling.kind == "standardised":
        own_mean = 255.0 * np.array(input_scaling.IMAGENET_MEAN_RGB)
        own_deviation = 255.0 * np.array(input_scaling.IMAGENET_DEVIATION_RGB)
    channels = kernel.shape[2]
    gain = np.broadcast_to(own_deviation / scaling.scale / deviation, channels)
    shift = np.broadcast_to((own_mean - mean) / deviation, channels)
    offset = np.einsum("hwcf,c->f", kernel.astype("float64"), shift)
    kernel = kernel * gain[:, None]  # of [height, width, channels, filters]
    return kernel[:, :, ::-1] if scaling.kind == "frames" else kernel, offset

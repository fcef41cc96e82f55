"""Convolutional networks that turn an image, or a stack of flow fields, into a grid of features.

Every backbone starts from the stored bytes and scales them itself. Freeze one by leaving its variables out of the
optimizer: setting `trainable = False` would also switch Keras' batch normalisation to its stored averages.
"""

import pathlib
import warnings

import keras
import numpy as np

from tclsta_tf.models import alexnet, applications, blocks, googlenet, resnet, small

BATCHNORM_MODES = blocks.BATCHNORM_MODES


def stages_until(name: str, last: str) -> tuple[str, ...]:
    """The parts of a backbone up to one of them.

    Args:
        name: of the backbone.
        last: of the last part that is wanted; "" for none.

    Raises:
        ValueError: the backbone has no such part.
    """
    if not last:
        return ()
    if last not in STAGES[name]:
        raise ValueError(f"the last part must be one of {', '.join(STAGES[name])} for {name}. Received: {last!r}")
    return STAGES[name][: STAGES[name].index(last) + 1]


def stage_of(backbone_name: str, layer_name: str) -> str:
    """The part of a backbone that a layer belongs to.

    A pooling layer `pool<k>` belongs to part k in front of it, and what closes ResNet v2 (`post_*`) to its last part.

    Args:
        backbone_name: of the backbone.
        layer_name: of a layer in it.

    Raises:
        ValueError: the name tells no part.
    """
    stages = STAGES[backbone_name]
    if layer_name.startswith("post_"):
        return stages[-1]
    name = layer_name.replace("pool", "conv", 1) if layer_name.startswith("pool") else layer_name
    for stage in stages:
        if name.startswith(stage):
            return stage
    raise ValueError(f"`layer_name` must belong to a part of {backbone_name}. Received: layer_name={layer_name!r}")


def split(backbone: keras.Model, name: str, stage: str) -> tuple[keras.Model, keras.Model | None]:
    """Cuts a backbone in two; the halves share its weights.

    Args:
        backbone: made by `build_backbone`.
        name: of the backbone.
        stage: the last part of the first half, one of `STAGES[name]`.

    Returns:
        What ends with that part, and the rest; None where there is none.

    Raises:
        ValueError: the backbone has no such part.
    """
    if stage not in STAGES[name]:
        raise ValueError(f"`stage` must be one of {STAGES[name]} for {name}. Received: stage={stage!r}")
    if stage == STAGES[name][-1]:
        return backbone, None
    prefixes = (stage, stage.replace("conv", "pool"))
    # Layers stand in order; some shortcuts of ResNet v2 bear no name of a part, but are never a part's last layer.
    end = [layer for layer in backbone.layers if layer.name.startswith(prefixes)][-1].output
    return keras.Model(backbone.input, end), keras.Model(end, backbone.output)


def inflate_first_convolution(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Makes a convolution for RGB one for any number of channels (cross-modality initialisation, TSN).

    Args:
        kernel: float [height, width, 3, filters].
        channels: int >= 1, e.g. 20 for a stack of ten flow fields.

    Returns:
        float [height, width, channels, filters]: the mean over RGB, repeated.

    Raises:
        ValueError: if `kernel` does not have four axes.
    """
    if kernel.ndim != 4:
        raise ValueError(f"`kernel` must be [height, width, 3, filters]. Received: kernel.shape={kernel.shape}")
    return np.repeat(kernel.mean(axis=2, keepdims=True), channels, axis=2)


def build_backbone(
    name: str,
    channels: int = 3,
    weights: str | pathlib.Path | None = None,
    batchnorm: str = "batch",
    flow_scale: float = 1.0,
    input_pooling: int = 1,
    batchnorm_momentum: float | None = None,
    dtype: str | keras.DTypePolicy | None = None,
) -> keras.Model:
    """Builds a backbone.

    Args:
        name: `resnet50` (v1), `resnet50v15` or `resnet50v2`, stride 32, D = 2048; `vgg16`, stride 16, D = 512;
            `alexnet`, stride 16, D = 256; `googlenet`, stride 32, D = 1024; `small` (about 0.3 million weights, stride
            16, D = 128, for CPUs and tests).
        channels: 3 for RGB frames, an even number 2L for stacks of L flow fields. Default 3.
        weights: None (random), `imagenet` (`resnet50`, `resnet50v2`, `vgg16`; Keras downloads it), or the path of a
            `.weights.h5` file of the same backbone, for as many channels or for RGB. With flow the first convolution
            of one for RGB is inflated.
        batchnorm: `batch`: statistics of the batch in training, as `training` says. `synchronized`: the same over all
            replicas (TensorFlow only). `partial`: `batch` in the first layer, `frozen` in all others (TSN). `frozen`:
            always the stored averages, nothing trainable. Default `batch`.
        flow_scale: float > 0, factor on flow bytes minus 128; see `layers.InputScaling`. `small` divides both kinds of
            input by 64 besides. Default 1.0.
        input_pooling: int >= 1, side in pixels of the squares whose mean the first convolution sees. Default 1.
        batchnorm_momentum: float in [0, 1), share that stored averages keep in a step, where they are updated at all.
            None: the network's own.
        dtype: policy of the layers. None: Keras' global policy.

    Returns:
        A model from uint8 or float [b, H, W, channels] in [0, 255] to float [b, h, w, D], not negative.

    Raises:
        ValueError: on an unknown name or mode, a number of channels that is neither 3 nor even, or weights that are
            not to be had or belong to another architecture.
    """
    if name not in _BUILDERS:
        raise ValueError(f"`name` must be one of {tuple(_BUILDERS)}. Received: name={name!r}")
    if batchnorm not in BATCHNORM_MODES:
        raise ValueError(f"`batchnorm` must be one of {BATCHNORM_MODES}. Received: batchnorm={batchnorm!r}")
    if batchnorm == "synchronized" and keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"`batchnorm='synchronized'` needs the TensorFlow backend. Received: backend={keras.backend.backend()}"
        )
    if channels != 3 and (channels < 2 or channels % 2):
        raise ValueError(f"`channels` must be 3 (RGB) or even (u and v of flow). Received: channels={channels}")
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    builder, first_convolution = _BUILDERS[name]
    backbone = builder(blocks.Inputs(channels, flow_scale, input_pooling), batchnorm, policy)
    for layer in backbone.layers if batchnorm_momentum is not None else ():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = batchnorm_momentum
    if weights is not None:
        _copy_weights(_pretrained(name, weights, channels), backbone, first_convolution)
    return backbone


# Builder, and the name of the convolution that reads the image.
_BUILDERS = {
    "resnet50": (applications.resnet50, "conv1_conv"),
    "resnet50v15": (resnet.resnet50v15, "conv1_conv"),
    "resnet50v2": (applications.resnet50v2, "conv1_conv"),
    "vgg16": (applications.vgg16, "block1_conv1"),
    "alexnet": (alexnet.alexnet, "conv1_conv"),
    "googlenet": (googlenet.googlenet, "conv1_conv"),
    "small": (small.small, "stem_conv"),
}
NAMES = tuple(_BUILDERS)
FIRST_CONVOLUTIONS = {name: first_convolution for name, (_, first_convolution) in _BUILDERS.items()}

# Parts of each network in order; the names of their layers begin with them.
STAGES: dict[str, tuple[str, ...]] = {
    "resnet50": ("conv1", "conv2", "conv3", "conv4", "conv5"),
    "resnet50v15": ("conv1", "conv2", "conv3", "conv4", "conv5"),
    "resnet50v2": ("conv1", "conv2", "conv3", "conv4", "conv5"),
    "vgg16": ("block1", "block2", "block3", "block4", "block5"),
    "alexnet": ("conv1", "conv2", "conv3", "conv4", "conv5"),
    "googlenet": ("conv1", "conv2", "inception3", "inception4", "inception5"),
    "small": ("stem", "stage2", "stage3", "stage4"),
}

# Those whose ImageNet weights Keras downloads; files of weights are those of these networks.
_APPLICATIONS = {
    "resnet50": keras.applications.ResNet50,
    "resnet50v2": keras.applications.ResNet50V2,
    "vgg16": keras.applications.VGG16,
}


def _pretrained(name: str, weights: str | pathlib.Path, channels: int) -> keras.Model:
    """The backbone with the given weights, for RGB or for `channels`."""
    if weights == "imagenet":
        if name not in _APPLICATIONS:
            raise ValueError(
                f"`weights='imagenet'` exists for {', '.join(_APPLICATIONS)}; give the path of a weights file instead. "
                f"Received: name={name!r}"
            )
        try:
            return _APPLICATIONS[name](include_top=False, weights="imagenet")
        except Exception as error:  # Keras raises a bare Exception where the download fails
            raise ValueError(
                "`weights='imagenet'` could not be downloaded; give the path of a weights file instead. "
                f"Received: {error}"
            ) from error
    path = pathlib.Path(weights)
    if not path.is_file():
        raise ValueError(f"`weights` must be None, 'imagenet' or an existing file. Received: weights={str(weights)!r}")
    of_channels = f"{channels} channels" if channels == 3 else f"{channels} or 3 channels"
    failure: Exception | None = None
    for own_channels in sorted({channels, 3}, reverse=True):
        is_original = name in _APPLICATIONS and own_channels == 3
        source = (
            _APPLICATIONS[name](include_top=False, weights=None) if is_original else build_backbone(name, own_channels)
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a file that does not fit draws a hundred warnings before the error
                source.load_weights(path)
            return source
        except (ValueError, KeyError, OSError) as error:
            failure = error
    raise ValueError(
        f"`weights` must be a .weights.h5 file of the backbone {name!r} for {of_channels}. "
        f"Received: weights={str(weights)!r}, which does not fit it"
    ) from failure


def _copy_weights(source: keras.Model, target: keras.Model, first_convolution: str) -> None:
    """Copies all weights by layer name, the first convolution inflated to the target's channels where they differ."""
    for layer in source.layers:
        values = layer.get_weights()
        if not values:
            continue
        receiver = target.get_layer(layer.name)
        if layer.name == first_convolution and receiver.kernel.shape != layer.kernel.shape:
            values[0] = inflate_first_convolution(values[0], receiver.kernel.shape[2])
        receiver.set_weights(values)

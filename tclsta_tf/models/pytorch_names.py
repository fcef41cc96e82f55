"""Which entry of a PyTorch state dict is which weight of a backbone, as torchvision, MMAction2 and TSN name them."""

import dataclasses
import re
from collections.abc import Iterable

import keras


@dataclasses.dataclass(frozen=True)
class Naming:
    """How the entries of a state dict are named, and how the flow was scaled that such a network was trained on.

    Attributes:
        project: where these names come from.
        prefix: stands in front of the backbone's entries.
        heads: prefixes of entries above the backbone, which are left out.
        nested: whether a convolution and its normalisation are parts of one module.
        flow_mean: subtracted from a byte of flow; None where there are no models of flow.
        flow_deviation: what the difference is divided by.
    """

    project: str
    prefix: str
    heads: tuple[str, ...]
    nested: bool = False
    flow_mean: float | None = None
    flow_deviation: float | None = None


# TSN takes bytes as values in [0, 1], minus 0.5, divided by the mean of ImageNet's three deviations.
NAMINGS = (
    Naming("MMAction2", "backbone.", ("cls_head.",), nested=True, flow_mean=128.0, flow_deviation=128.0),
    Naming("TSN", "base_model.", ("base_model.fc.", "base_model.classifier.", "new_fc."),
           flow_mean=127.5, flow_deviation=255.0 * 0.226),
    Naming("torchvision", "", ("fc.", "classifier.")),
)  # fmt: skip

# Place of each convolution in `features`.
_FEATURES = {
    "vgg16": {
        **{"block1_conv1": 0, "block1_conv2": 2, "block2_conv1": 5, "block2_conv2": 7},
        **{"block3_conv1": 10, "block3_conv2": 12, "block3_conv3": 14},
        **{"block4_conv1": 17, "block4_conv2": 19, "block4_conv3": 21},
        **{"block5_conv1": 24, "block5_conv2": 26, "block5_conv3": 28},
    },
    "alexnet": {"conv1_conv": 0, "conv2_conv": 3, "conv3_conv": 6, "conv4_conv": 8, "conv5_conv": 10},
}

# In the order of the layers' own weights.
_CONVOLUTION = ("weight", "bias")
_NORMALIZATION = ("weight", "bias", "running_mean", "running_var")


def recognise(names: Iterable[str]) -> Naming:
    """The naming of a state dict.

    Args:
        names: of its entries, without the `module.` of parallel training.
    """
    names = tuple(names)
    return next(
        naming for naming in NAMINGS if any(name.startswith(naming.prefix) for name in names) or not naming.prefix
    )


def module(backbone_name: str, layer_name: str, naming: Naming) -> str:
    """The PyTorch module, with the naming's prefix, whose parameters a layer of a backbone takes.

    Args:
        backbone_name: `resnet50v15`, `vgg16` or `alexnet`.
        layer_name: of a layer with weights.
        naming: of the state dict.
    """
    if backbone_name in _FEATURES:
        return f"{naming.prefix}features.{_FEATURES[backbone_name][layer_name]}"
    found = re.fullmatch(r"conv(\d)(?:_block(\d)_(\d))?_(conv|bn)", layer_name)
    if found is None:
        raise ValueError(f"`layer_name` must be one of resnet50v15. Received: layer_name={layer_name!r}")
    part, block, number, kind = found.groups(default="1")
    folder = f"{naming.prefix}layer{int(part) - 1}.{int(block) - 1}." if part != "1" else naming.prefix
    if number == "0":
        return f"{folder}downsample.{kind if naming.nested else ('conv', 'bn').index(kind)}"
    return f"{folder}conv{number}.{kind}" if naming.nested else f"{folder}{kind}{number}"


def entries(backbone_name: str, layer: keras.layers.Layer, naming: Naming) -> list[str]:
    """Names of the entries that a layer takes, in the order of its `get_weights`.

    Args:
        backbone_name: of the backbone.
        layer: of it, a convolution or a batch normalisation.
        naming: of the state dict.
    """
    kinds = _NORMALIZATION if isinstance(layer, keras.layers.BatchNormalization) else _CONVOLUTION
    return [f"{module(backbone_name, layer.name, naming)}.{kind}" for kind in kinds[: len(layer.weights)]]


def is_left_out(name: str, naming: Naming) -> bool:
    """Whether an entry is none of the backbone: of a classifier, or the count of batches that PyTorch keeps."""
    return name.startswith(naming.heads) or name.endswith(".num_batches_tracked")

"""Makes a weights file of a backbone from a PyTorch checkpoint."""

import pickle

import numpy as np

from tclsta_tf.data import pipeline
from tclsta_tf.models import pytorch_weights
from tfrecords_tools import storage


def import_weights(
    source: storage.AnyPath,
    backbone: str,
    output: storage.AnyPath,
    flow_mean: float | None = None,
    flow_deviation: float | None = None,
) -> str:
    """Writes a `.weights.h5` file that `--backbone_weights` or `--motion_backbone_weights` take.

    Args:
        source: the checkpoint, a state dict or a dict that holds one as `state_dict`.
        backbone: its name here.
        output: the file to write.
        flow_mean: see `pytorch_weights.import_state_dict`.
        flow_deviation: likewise.

    Returns:
        What was found and how it was taken, for people.

    Raises:
        ValueError: PyTorch is not installed, the file cannot be read, or it is of another network.
    """
    pytorch_weights.check_name(backbone)  # before a large file is read
    flow_channels = pipeline.CHANNELS["motion"]
    made = pytorch_weights.import_state_dict(
        backbone, read_state_dict(source), flow_channels, flow_mean, flow_deviation
    )
    with storage.created(output) as partial:
        made.backbone.save_weights(partial)
    names = f"{backbone}, names of {made.naming.project}"
    if made.channels == 3:
        return f"{names}: frames, for --backbone_weights"
    repeated = flow_channels // made.channels
    fields = f"{made.channels // 2} fields of flow" + (f", each for {repeated} fields" if repeated > 1 else "")
    return f"{names}: {fields}, for --motion_backbone_weights"


def read_state_dict(source: storage.AnyPath) -> dict[str, np.ndarray]:
    """Reads the tensors of a PyTorch checkpoint.

    Args:
        source: a file that `torch.save` wrote.

    Returns:
        Name -> float32 [...].

    Raises:
        ValueError: PyTorch is not installed, or the file holds no state dict, or more than tensors and plain values.
    """
    try:
        import torch
    except ImportError as error:
        raise ValueError("`source` can only be read with PyTorch: pip install 'tclsta-tf[torch]'") from error
    if not source.is_file():
        raise ValueError(f"`source` must be an existing file. Received: source={source}")
    try:
        with storage.staged(source) as file:
            found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # An object of a training that is stored among the tensors can run code when it is read.
        raise ValueError(
            f"`source` must be a file of torch.save with tensors and plain values only. Received: source={source}. If "
            "you trust a checkpoint that holds more, take out its tensors with PyTorch: "
            f"torch.save(torch.load({source.name!r}, weights_only=False)['state_dict'], 'tensors.pth')"
        ) from error
    except OSError:
        raise
    except Exception as error:  # whatever the bytes of a file that is none lead the reader to
        raise ValueError(f"`source` must be a whole file of torch.save. Received: source={source} ({error})") from error
    state = found.get("state_dict", found) if isinstance(found, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"`source` must hold a state dict, by itself or as 'state_dict'. Received: source={source}")
    return {name: value.float().numpy() for name, value in state.items()}

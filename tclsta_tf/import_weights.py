r"""Makes a backbone's weights file from a PyTorch checkpoint of torchvision, MMAction2 or TSN.

python -m tclsta_tf.import_weights --from=tsn_r50_flow.pth --backbone=resnet50v15 --output=flow.weights.h5
python -m tclsta_tf.train --backbone=resnet50v15 --motion_backbone_weights=flow.weights.h5 ...

Whether it is one for frames or for flow shows in its first convolution. PyTorch is needed here only, not for training.
"""

import pathlib
import re
from collections.abc import Sequence

from absl import flags

from tclsta_tf import flags as run_flags
from tfrecords_tools import cli, storage

_FROM = flags.DEFINE_string("from", None, "PyTorch checkpoint: a state dict, or a dict with one as 'state_dict'.")
_BACKBONE = flags.DEFINE_string(
    "backbone", "resnet50v15", "Network of the checkpoint: resnet50v15 (PyTorch's ResNet-50), vgg16 or alexnet."
)
_OUTPUT = flags.DEFINE_string("output", None, "Weights file to write, *.weights.h5.")
_FLOW_MEAN = flags.DEFINE_float(
    "flow_mean",
    None,
    "For flow: the byte that was subtracted in its training; by default 128 for names of MMAction2, 127.5 for TSN's.",
)
_FLOW_DEVIATION = flags.DEFINE_float(
    "flow_deviation",
    None,
    "For flow: what the difference was divided by; by default 128 for names of MMAction2, 57.63 for TSN's.",
    lower_bound=1e-6,
)


def main(argv: Sequence[str]) -> None:
    """Writes `--output`."""
    cli.reject_operands(argv)
    source, output = (run_flags.require(flag.name) for flag in (_FROM, _OUTPUT))
    if not output.endswith(".weights.h5"):
        raise flags.Error(f"--output must end in .weights.h5. Received: --output={output}")
    if isinstance(file := storage.path(source), pathlib.Path) and not file.is_file():
        raise ValueError(f"--from must be an existing file. Received: --from={source}")
    with cli.loading(f"importing {source}"):
        from tclsta_tf.recipes import import_weights as import_lib
    try:
        summary = import_lib.import_weights(
            storage.path(source), _BACKBONE.value, storage.path(output), _FLOW_MEAN.value, _FLOW_DEVIATION.value
        )
    except ValueError as error:
        raise ValueError(_name_flags(str(error), source)) from error
    print(f"{output}: {summary}")


def _name_flags(message: str, source: str) -> str:
    """On the command line the user knows the flag, not the argument."""
    flag_of = {"source": _FROM.name, "name": _BACKBONE.name, "state": f"{_FROM.name}={source}"}
    return re.sub(
        r"`(\w+)`|\b(source|name)(?==)", lambda match: f"--{flag_of.get(key := match[1] or match[2], key)}", message
    )


if __name__ == "__main__":
    cli.run(main, needs=("from", "output"))

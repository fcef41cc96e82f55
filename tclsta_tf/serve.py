r"""Serves an exported model over HTTP and gRPC.

python -m tclsta_tf.serve --model=run/export/1
python -m tclsta_tf.serve --model=run/export/1 --grpc_port=8500 --token_file=token.txt --host=0.0.0.0

http://127.0.0.1:8501/ is a page on which a video can be dropped. Programs ask /v1/models/NAME:predict (TensorFlow
Serving's REST form), /v2/models/NAME/infer (Open Inference Protocol, also over gRPC) or send a video file to
/v1/models/NAME:upload; /metrics is for Prometheus. docs/serving.md has examples, limits and statuses.

Whoever reaches the port can ask the model unless there is a token, in a file or in the environment variable
TCLSTA_TOKEN, never on the command line. It needs kserve: pip install 'tclsta-tf[serve]'.
"""

import dataclasses
import functools
import importlib.util
from collections.abc import Sequence
from typing import Any

from absl import app, flags

from tclsta_tf import flags as run_flags
from tclsta_tf.prediction import exported
from tclsta_tf.prediction import limits as video_limits
from tclsta_tf.serving import security, settings
from tfrecords_tools import cli, storage

_MODEL = flags.DEFINE_string("model", None, "Folder of an exported model, e.g. run/export/1.")
_TOKEN_FILE = flags.DEFINE_string("token_file", None, "File that holds the token clients must send.")
_WRITE_CONFIGS = flags.DEFINE_string(
    "write_configs", None, "Only writes files for TensorFlow Serving and Triton to this folder, and ends."
)

_HELP = {
    "name": "Name of the model in addresses.",
    "host": "Address to listen at; 127.0.0.1 is reached from this machine only.",
    "port": "Port of HTTP; 0 takes a free one and says which.",
    "grpc_port": "Port of gRPC; 0 for none.",
    "max_batch": "Most clips in one call of the model; 1 switches batching off.",
    "batch_wait_ms": "Longest time a clip waits for others to share its call, milliseconds.",
    "max_queue": "Most requests in work or waiting, uploads not counted; further ones get 429.",
    "max_uploads": "Most uploads in work or waiting; further ones get 429.",
    "max_body_mb": "Largest body of a request, MiB.",
    "header_timeout_s": "Longest time a request's header may take to arrive, seconds.",
    "receive_timeout_s": "Longest time a request's body may take to arrive, seconds.",
    "timeout_s": "Longest time an answer may take, seconds; then 504.",
    "model_threads": "Calls of the model at the same time; each uses all cores.",
    "max_connections": "Most open connections; further ones get 503.",
    "max_frames": "Most frames of a video file or clip.",
    "max_pixels": "Most pixels of a frame.",
    "max_seconds": "Longest video file, seconds.",
}
_DEFINE = {int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}


def _define(kind: type) -> None:
    for field in dataclasses.fields(kind):
        _DEFINE[type(field.default)](field.name, field.default, _HELP[field.name])


_define(settings.ServerSettings)
_define(settings.Limits)


def _collect(kind: type) -> Any:
    return kind(**{field.name: flags.FLAGS[field.name].value for field in dataclasses.fields(kind)})


def main(argv: Sequence[str]) -> None:
    """Serves until it is asked to end."""
    cli.reject_operands(argv)
    run_flags.require(_MODEL.name)
    serving, limits = _collect(settings.ServerSettings), _collect(settings.Limits)
    if not _WRITE_CONFIGS.value and importlib.util.find_spec("kserve") is None:
        raise app.UsageError("serving needs kserve: pip install 'tclsta-tf[serve]'")
    token = security.read_token(_TOKEN_FILE.value)
    folder, _ = exported.check(run_flags.require_folder(_MODEL.name))
    with cli.loading(f"starting the server of {folder}"):
        from tclsta_tf.prediction import classifier
        from tclsta_tf.serving import deployment, served_signatures
        from tfrecords_tools.flow import compile

        if not _WRITE_CONFIGS.value:
            from tclsta_tf.serving import server as server_lib  # loads kserve
    model = classifier.Classifier(folder)
    signatures = served_signatures.of_model(model)
    if _WRITE_CONFIGS.value:
        target = storage.path(_WRITE_CONFIGS.value)
        for file in deployment.write(target, signatures, serving.name, serving.max_batch, serving.batch_wait_ms):
            print(file)
        return
    if token is None and not serving.is_loopback:
        address = f"{serving.host}:{serving.port}"
        server_lib.warn(f"everyone who reaches {address} can use this server: give it a --token_file")
    of_videos = video_limits.Limits(**dataclasses.asdict(limits))
    served = server_lib.Server(
        signatures,
        functools.partial(model.classify, limits=of_videos),
        model.card,
        folder.name if folder.name.isdecimal() else "1",
        serving,
        limits,
        token,
    )
    compile.start_xla_quietly()  # by which the model computes optical flow
    served.warm()
    served.run(lambda address: print(f"serving {serving.name} at {address}", flush=True))


if __name__ == "__main__":
    cli.run(main, needs=("model",))

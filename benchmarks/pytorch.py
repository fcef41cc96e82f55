r"""Measures a training step of ResNet-50 v1.5 beside the same step in PyTorch.

python -m benchmarks.pytorch

needs PyTorch (make install-torch). Each library runs in a process of its own, so that neither's threads are in the
other's way, and takes its steps in turn with the others. A step is forward, backward and SGD with momentum on float32
images that are there already.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags

_BATCH = flags.DEFINE_integer("batch", 8, "Images in a batch.")
_SIZE = flags.DEFINE_integer("size", 224, "Side of the images in pixels.")
_THREADS = flags.DEFINE_integer("threads", 2, "Threads of each library.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Steps of each kind; the median counts.")
_WORKER = flags.DEFINE_string("worker", None, "Of the processes that this one starts: what it measures.")
_CLASSES, _RATE, _MOMENTUM = 101, 1e-3, 0.9


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table as Markdown."""
    del argv
    if _WORKER.value:
        _work(_STEPS[_WORKER.value]())
        return
    arguments = [f"--{flag.name}={flag.value}" for flag in (_BATCH, _SIZE, _THREADS)]
    workers = {
        name: subprocess.Popen(
            [sys.executable, "-m", "benchmarks.pytorch", f"--worker={name}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in _STEPS
    }
    taken: dict[str, list[float]] = {name: [] for name in workers}
    for attempt in range(_ROUNDS.value + 1):
        for name, worker in workers.items():
            print("step", file=worker.stdin, flush=True)
            seconds = float(worker.stdout.readline())
            if attempt:  # The first one compiles.
                taken[name].append(seconds)
    for worker in workers.values():
        worker.communicate()
    rates = {name: _BATCH.value / statistics.median(values) for name, values in taken.items()}
    print(f"ResNet-50 v1.5, {_BATCH.value} images of {_SIZE.value}, {_THREADS.value} threads\n")
    print("| training step | images/s | slowest, fastest | / PyTorch |")
    print("|---|---|---|---|")
    for name, values in taken.items():
        extremes = f"{_BATCH.value / max(values):.2f}, {_BATCH.value / min(values):.2f}"
        print(f"| {name} | {rates[name]:.2f} | {extremes} | {rates[name] / rates['pytorch']:.2f} |")


def _work(step: Callable[[], object]) -> None:
    """Takes a step for every line that comes in, and answers with its seconds."""
    for _ in sys.stdin:
        start = time.perf_counter()
        step()
        print(time.perf_counter() - start, flush=True)


def _tensorflow(xla: bool) -> Callable[[], object]:
    """As this project trains: its gradients and its optimizer."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tclsta_tf import config
    from tclsta_tf.models import backbones
    from tclsta_tf.recipes import parts
    from tclsta_tf.training import gradients, losses, optimizers, schedules

    tf.config.threading.set_intra_op_parallelism_threads(_THREADS.value)
    tf.config.threading.set_inter_op_parallelism_threads(_THREADS.value)
    parts.fix_orders()  # As in training.
    shape = (_BATCH.value, _SIZE.value, _SIZE.value, 3)
    images = tf.constant(np.random.default_rng(0).integers(0, 256, shape), tf.uint8)
    batch = {"clips": images, "labels": tf.zeros([_BATCH.value], tf.int32)}
    model = keras.Sequential(
        [backbones.build_backbone("resnet50v15"), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(_CLASSES)]
    )
    model(images, training=False)

    def forward(part: gradients.Batch, step: tf.Tensor) -> tuple:
        logits = model(part["clips"], training=True)
        return {"only": losses.cross_entropy(logits[:, None], part["labels"])}, logits

    settings = config.TrainConfig(batch_size=_BATCH.value, learning_rate=_RATE, momentum=_MOMENTUM, weight_decay=0.0)
    optimizer = optimizers.make_optimizer(settings, schedules.make_schedule(settings))
    optimizer.build(model.trainable_variables)
    computer = gradients.Gradients(forward, model.trainable_variables, settings, xla)

    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        shares, values = computer.of_batch(batch, tf.constant(0, tf.int64))
        optimizer.apply(computer.finish(shares), computer.variables)
        return values["loss"]

    return lambda: step().numpy()


def _pytorch(channels_last: bool) -> Callable[[], object]:
    import torch

    torch.set_num_threads(_THREADS.value)
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    images = torch.rand(_BATCH.value, 3, _SIZE.value, _SIZE.value).to(memory_format=layout)
    labels = torch.zeros(_BATCH.value, dtype=torch.long)
    model = _resnet50(torch.nn).to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), _RATE, momentum=_MOMENTUM)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _resnet50(nn: Any) -> Any:
    """ResNet-50 v1.5 with a classifier, made of the modules of `torch.nn`."""

    def convolve(inputs: int, outputs: int, size: int = 1, stride: int = 1) -> list:
        return [nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)]

    class Block(nn.Module):
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            relu = nn.ReLU(inplace=True)
            middle = [*convolve(inputs, width), relu, *convolve(width, width, 3, stride), relu]
            self.path = nn.Sequential(*middle, *convolve(width, 4 * width))
            changes = inputs != 4 * width
            self.shortcut = nn.Sequential(*convolve(inputs, 4 * width, 1, stride)) if changes else nn.Identity()
            self.relu = relu

        def forward(self, x: Any) -> Any:
            return self.relu(self.path(x) + self.shortcut(x))

    layers = [*convolve(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for width, count in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(count):
            layers.append(Block(inputs, width, 2 if block == 0 and width > 64 else 1))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, _CLASSES))


_STEPS: dict[str, Callable[[], Callable[[], object]]] = {
    "tensorflow": lambda: _tensorflow(xla=False),
    "tensorflow, xla": lambda: _tensorflow(xla=True),
    "pytorch": lambda: _pytorch(channels_last=False),
    "pytorch, channels_last": lambda: _pytorch(channels_last=True),
}

if __name__ == "__main__":
    app.run(main)

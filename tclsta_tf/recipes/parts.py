"""The trained parts of a run: how each is trained in stages, saved and loaded, and the clean slate each starts from."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

import tclsta_tf.models  # noqa: F401 - registers the classes that a saved part is made of
from tclsta_tf import config
from tclsta_tf.data import pipeline
from tclsta_tf.recipes import identity
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import checkpoints, distribution, optimizers, schedules, summaries, trainer
from tfrecords_tools import storage
from tfrecords_tools.flow import compile

Inference: TypeAlias = Any
"""A traced function from clips to outputs by name; TensorFlow has no annotation for it."""

_SEED_OF_STAGE = 1_000_003  # A stage must not see the clips of the one before in the same order.


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of the training of a part.

    Attributes:
        part: its part.
        number: 0 for the first one.
        settings: how it is trained.
        model: the part's model.
        strategy: what it is trained under.
        seed: decides order, crops and mirroring.
        steps_before: steps of the stages before.
        summaries: where scalars go.
    """

    part: str
    number: int
    settings: config.TrainConfig
    model: keras.Model
    strategy: tf.distribute.Strategy
    seed: int
    steps_before: int
    summaries: summaries.Summaries


def prepare(device: config.DeviceConfig) -> None:
    """Seeds, precision and determinism of a part, whatever was built before in this process."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(device.seed)
    keras.config.set_dtype_policy(device.precision)
    fix_orders()


def fix_orders() -> None:
    """Fixes the order of all operations in this process, so that the same input gives the same bits.

    What a process was asked to do before must not matter either: features are the same extracted after training, or by
    a command of their own.
    """
    tf.config.experimental.enable_op_determinism()
    # It gathers pairs of sums into TensorFlow's AddN, whose order of summation op determinism leaves open.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


def train_stages(
    run: run_lib.Run,
    part: str,
    model: keras.Model,
    strategy: tf.distribute.Strategy,
    make_trainer: Callable[[Stage], trainer.Trainer],
    size: str = "",
) -> None:
    """Trains a part stage by stage, from where it stopped, and saves the finished model.

    Args:
        run: configuration, data and working folder.
        part: the part.
        model: built under the strategy's scope.
        strategy: what it is trained under.
        make_trainer: makes the loop of a stage.
        size: of the model, for TensorBoard; one line.
    """
    steps_before = 0
    is_chief = distribution.is_chief(strategy)
    logs = str(run.part_dir(part) / "logs") if is_chief else None
    scalars = summaries.Summaries(logs, f"{size}\n\n{configuration_card(run)}")
    scalars.write_settings(
        {
            f"{group}.{name}": value if isinstance(value, bool | int | float | str) else str(value)
            for group, values in run.config.to_json().items()
            for name, value in values.items()
        }
    )
    for number, settings in enumerate(getattr(run.config, part)):
        if settings.trains == "backbone":  # It is a run of its own, and finished.
            steps_before += settings.steps
            continue
        seed = run.config.device.seed + number * _SEED_OF_STAGE
        stage = Stage(part, number, settings, model, strategy, seed, steps_before, scalars)
        loop = make_trainer(stage)
        if is_chief:
            identity.claim(run, part)  # only now: what is wrong with the flags has shown itself
        # A stage that was finished before leaves its weights in the model.
        loop.train()
        steps_before += settings.steps
    scalars.close()
    if is_chief:
        save(run, part, model)


def make_trainer(run: run_lib.Run, stage: Stage, variables: list[keras.Variable], **changes: Any) -> trainer.Trainer:
    """Makes the loop of a stage.

    Args:
        run: configuration and working folder.
        stage: the stage.
        variables: what it trains.
        **changes: what differs from part to part, attributes of `trainer.Trainer`.
    """
    if run.config.device.xla:
        compile.start_xla_quietly()
    with stage.strategy.scope():
        schedule = schedules.make_schedule(stage.settings)
        optimizer = optimizers.make_optimizer(stage.settings, schedule)
        optimizer.build(variables)
    folder = run.part_dir(stage.part) / ("checkpoints" if not stage.number else f"checkpoints-{stage.number + 1}")
    writes = distribution.is_chief(stage.strategy)
    return trainer.Trainer(
        model=stage.model,
        variables=variables,
        settings=stage.settings,
        strategy=stage.strategy,
        optimizer=optimizer,
        schedule=schedule,
        checkpoints=lambda state: checkpoints.Checkpoints(str(folder), stage.model, optimizer, state, writes=writes),
        summaries=stage.summaries,
        name=stage.part,
        stage=stage.number + 1,
        num_stages=len(getattr(run.config, stage.part)),
        steps_before=stage.steps_before,
        xla=run.config.device.xla,
        float16=run.config.device.precision == "mixed_float16",
        **changes,
    )


def save(run: run_lib.Run, part: str, model: keras.Model) -> None:
    """Writes a finished part; the file appears only when it is whole."""
    path = run.model_file(part)
    with storage.created(path) as partial:
        model.save(partial)


def load(run: run_lib.Run, part: str) -> keras.Model:
    """The finished model of a part.

    Raises:
        ValueError: where it is not trained to its end.
    """
    path = run.model_file(part)
    if not path.exists():
        raise ValueError(f"{path} does not exist: train --part={part} to its end first")
    try:
        with storage.staged(path) as file:
            return keras.saving.load_model(file, compile=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: delete it and train --part={part} again") from error


def make_inference(
    run: run_lib.Run, stream: str, model: keras.Model, num_frames: int, names: Sequence[str]
) -> Inference:
    """A function from clips uint8 [b, num_frames, crop, crop, C] to some of a stream's outputs, in float32.

    Args:
        run: its crop size is used.
        stream: `static` or `motion`.
        model: the stream's model.
        num_frames: frames of a clip.
        names: the outputs that are wanted.
    """

    @tf.function(input_signature=[pipeline.clip_spec(stream, num_frames, run.config.data.crop_size)], autograph=False)
    def infer(clips: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = model(clips, training=False, heads=False)
        return {name: tf.cast(outputs[name], tf.float32) for name in names}

    return infer


def configuration_card(run: run_lib.Run) -> str:
    """The configuration as a Markdown code block, for TensorBoard."""
    text = json.dumps(run.config.to_json(), indent=1)
    return "\n".join(f"    {line}" for line in text.splitlines())

"""The whole recipe as a list of steps; a finished step is skipped, a broken one goes on where it stopped."""

import dataclasses
import functools
import json
import sys
import time
from collections.abc import Callable, Sequence

from tclsta_tf import config
from tclsta_tf.recipes import extract, frozen, train_collaborative, train_stream
from tclsta_tf.recipes import run as run_lib
from tfrecords_tools import manifest, notes


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of a recipe.

    Attributes:
        name: what the user reads.
        do: does it, or finds that it is done.
    """

    name: str
    do: Callable[[], object]


def training_steps(run: run_lib.Run, variants: Sequence[str]) -> list[Step]:
    """Both streams of every variant, their features, and the collaborative network of the run itself.

    Args:
        run: the run.
        variants: attention variants (rows of Table VI); the run's own is always among the steps.
    """
    steps = []
    for stream in config.STREAMS:  # flags that do not go together show before anything is trained
        frozen.parts(run, stream)
    for attention in dict.fromkeys([*variants, run.config.stream.attention]):
        variant = run.variant(attention)
        for stream in config.STREAMS:
            train = functools.partial(train_stream.train_stream, variant, stream)
            steps.append(Step(f"train {stream} ({attention})", train))
            if variant is run:  # the other variants are only tested
                extract_features = functools.partial(extract.extract, run, stream, (run_lib.TRAIN, run_lib.VALIDATION))
                steps.append(Step(f"features {stream} ({attention})", extract_features))
    steps.append(Step("train collaborative", lambda: train_collaborative.train_collaborative(run)))
    if run.config.fusion.awl_scores == "kfold" and not run.fold:
        for number, fold in enumerate(run.folds(), start=1):
            fold.subset(run_lib.VALIDATION)  # where there are too few groups, it shows before anything is trained
            of_fold = training_steps(fold, [])
            steps.extend(Step(f"{step.name}, without part {number} of {len(run.folds())}", step.do) for step in of_fold)
    return steps


def run_steps(run: run_lib.Run, steps: Sequence[Step]) -> None:
    """Runs the steps in order and adds the time each took to `<workdir>/timing.json`."""
    run.workdir.mkdir(parents=True, exist_ok=True)
    file = run.workdir / "timing.json"
    seconds = json.loads(file.read_text()) if file.exists() else {}
    for number, step in enumerate(steps, start=1):
        notes.say(f"[{number}/{len(steps)}] {step.name}", sys.stdout)
        start = time.monotonic()
        step.do()
        # A repeated run finds most steps done in no time: the sum over all runs is what the step cost.
        seconds[step.name] = round(seconds.get(step.name, 0.0) + time.monotonic() - start, 1)
        manifest.write_atomically(file, json.dumps(seconds, indent=1) + "\n")

r"""Compares a finished run with what a Keras user would otherwise do, on the same videos and the same split.

python -m benchmarks.baselines --workdir=run

The run is one of `tclsta_tf.experiment --variants=none` at least; of an experiment over seeds, the folder of one seed.
On its backbone's frames, frozen:
(a) a linear classifier (logistic regression) on the features averaged over the frames of a video;
(b) the CNN-RNN recipe of Keras' example "Video Classification with a CNN-RNN Architecture": a GRU of 16 and one of 8
    units, dropout 0.4, a dense layer of 8, Adam, 10 epochs, the best epoch on held-out videos; and the same with 256
    and 128 units without the narrow dense layer and up to 100 epochs, so that not its size alone decides.
From the run's own streams:
(c) TSN's two streams without attention, the average over frames, fused 1:1.5, and TCLSTA.

C of (a) and the number of epochs of (b) are chosen on 15 % of the training part, whole groups; then each is trained on
all of it, as the run was. The test part is read once and the reading noted in <workdir>/test_part_reads.txt.
"""

import time
from collections.abc import Callable, Sequence

from absl import app, flags

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the finished run.", required=True)
_FRAMES = flags.DEFINE_integer("frames", 10, "Frames per video of (a) and (b).")
_COSTS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_HELD_OUT = 0.15


def main(argv: Sequence[str]) -> None:
    """Trains, measures and prints a table as Markdown."""
    del argv
    import keras
    import numpy as np
    from sklearn import linear_model, pipeline, preprocessing

    from tclsta_tf import flags as run_flags
    from tclsta_tf.data import pipeline as data_pipeline
    from tclsta_tf.data import validation
    from tclsta_tf.evaluation import intervals, metrics
    from tclsta_tf.fusion import score_fusion
    from tclsta_tf.models import backbones, inference
    from tclsta_tf.recipes import evaluate, parts, results
    from tclsta_tf.recipes import run as run_lib
    from tclsta_tf.reports import tables

    run = run_lib.Run(**run_flags.arguments_of(_WORKDIR.value))
    read = results.read_scores(run.report_dir)
    final = evaluate.final_row(run, read.rows)
    missing = [row for row in ("frame", "flow", final) if row not in read.rows]
    if missing:
        raise app.UsageError(f"{run.report_dir} has no row {missing[0]}: run the experiment with --variants=none first")
    parts.prepare(run.config.device)
    settings, data = run.config.stream_of("static"), run.config.data
    seconds: dict[str, float] = {}
    Classifier = Callable[[np.ndarray], np.ndarray]

    def timed(name: str, function: Callable[[], Classifier]) -> Classifier:
        start = time.monotonic()
        found = function()
        seconds[name] = time.monotonic() - start
        return found

    weights = None if settings.backbone_weights == "none" else settings.backbone_weights
    backbone = inference.fold_batch_normalization(backbones.build_backbone(settings.backbone, weights=weights))
    network = keras.Sequential([backbone, keras.layers.GlobalAveragePooling2D(dtype="float32")])

    def features_of(subset: data_pipeline.Subset) -> tuple[np.ndarray, np.ndarray]:
        """Features [n, T, D] of the centre crop of every video, and its class."""
        found, labels = [], []
        for batch in data_pipeline.video_batches(subset, "static", _FRAMES.value, data.crop_size, 8):
            clips = batch["clips"].numpy()
            flat = network(clips.reshape(-1, *clips.shape[2:]), training=False)
            found.append(np.reshape(flat, [*clips.shape[:2], -1]))
            labels.append(batch["labels"].numpy())
        return np.concatenate(found), np.concatenate(labels)

    start = time.monotonic()
    train, labels = features_of(run.training_part)
    extraction = time.monotonic() - start
    keras.config.set_dtype_policy("float32")  # whatever the run computed in, its rivals are as they are published
    videos = run.training_part.videos
    chosen_on = validation.held_out(videos, _HELD_OUT, run.config.device.seed)
    held = np.array([video.id in chosen_on for video in videos])

    def linear() -> Classifier:
        averaged = train.mean(1)

        def fit(cost: float, used: np.ndarray) -> pipeline.Pipeline:
            classifier = linear_model.LogisticRegression(C=cost, max_iter=2000)
            return pipeline.make_pipeline(preprocessing.StandardScaler(), classifier).fit(averaged[used], labels[used])

        cost = max(_COSTS, key=lambda cost: fit(cost, ~held).score(averaged[held], labels[held]))
        best = fit(cost, np.ones(len(labels), bool))

        def classify(features: np.ndarray) -> np.ndarray:
            scores = np.zeros([len(features), len(run.labels)])
            scores[:, best.classes_] = best.predict_proba(features.mean(1))
            return scores

        return classify

    def recurrent(units: tuple[int, int], dense: int, epochs: int) -> Classifier:
        def make() -> keras.Model:
            keras.utils.set_random_seed(run.config.device.seed)
            layers = [keras.layers.GRU(units[0], return_sequences=True), keras.layers.GRU(units[1])]
            layers += [keras.layers.Dropout(0.4)]
            layers += [keras.layers.Dense(dense, activation="relu")] if dense else []
            layers += [keras.layers.Dense(len(run.labels), activation="softmax")]
            model = keras.Sequential([keras.Input(train.shape[1:]), *layers])
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
            return model

        watched = (train[held], labels[held])
        history = make().fit(
            train[~held], labels[~held], batch_size=32, epochs=epochs, validation_data=watched, verbose=0
        )
        best_epoch = int(np.argmax(history.history["val_accuracy"]))
        model = make()
        model.fit(train, labels, batch_size=32, epochs=best_epoch + 1, verbose=0)
        return lambda features: model.predict(features, verbose=0)

    classifiers = {
        "(a) linear classifier, averaged features": timed("a", linear),
        "(b) CNN-RNN, as in Keras' example": timed("b", lambda: recurrent((16, 8), 8, 10)),
        "(b') CNN-RNN, 256 and 128 units": timed("b'", lambda: recurrent((256, 128), 0, 100)),
    }
    with run_lib.open_test_part():  # all is chosen and trained
        evaluate.note_test_part_read(run, "benchmarks.baselines")
        test, test_labels = features_of(run.subset(run_lib.TEST))
    np.testing.assert_array_equal(test_labels, read.videos.labels)
    rows = {name: classify(test) for name, classify in classifiers.items()} | {
        "(c) two streams, average consensus, 1:1.5": score_fusion.late_fusion(
            read.rows["frame"], read.rows["flow"], (1.0, 1.5)
        ),
        final: read.rows[final],
    }
    right = {name: metrics.is_right(scores, read.videos.truth) for name, scores in rows.items()}
    print(f"{len(read.videos)} test videos; features of the training part once: {extraction:.0f} s; ", end="")
    print(", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()), end="; ")
    print(f"the run itself: {run.workdir / 'timing.json'}\n")

    def cells(name: str, scores: np.ndarray) -> tuple[str, ...]:
        summary = metrics.summarise(scores, read.videos.truth if read.videos.is_multi_label else read.videos.labels)
        accuracies = (f"{summary[metric]:.3f}" for metric in ("overall_accuracy", "mean_class_accuracy"))
        if name == final:
            return name, *accuracies, ""
        found = intervals.compare(right[name], right[final])
        return name, *accuracies, f"{found.difference:+.3f} [{found.interval[0]:+.3f}, {found.interval[1]:+.3f}]"

    header = ("classifier", "overall accuracy", "mean per class", f"{final} minus it, 95 % interval")
    print(tables.Table(header, tuple(cells(*row) for row in rows.items())).to_markdown())


if __name__ == "__main__":
    app.run(main)

"""No step gathers three tensors by TensorFlow's AddN, which adds them in an order that is not the same in every run."""

from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from tclsta_tf import config, models
from tclsta_tf.models import attention_stream
from tclsta_tf.recipes import parts
from tclsta_tf.training import gradients, losses

LABELS = tf.constant([0, 1])


@pytest.fixture(autouse=True)
def _optimised_as_in_a_run() -> Iterator[None]:
    parts.prepare(config.DeviceConfig())
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _largest_sum(function, *arguments) -> int:
    """Of all sums in what TensorFlow runs after its optimisations, the number of terms of the largest."""
    context.enable_run_metadata()
    try:
        tf.function(function)(*arguments)
        run = context.export_run_metadata()
    finally:
        context.disable_run_metadata()
    graphs = [graphs.post_optimization_graph for graphs in run.function_graphs]
    bodies = [body for graph in graphs for body in (graph.node, *(each.node_def for each in graph.library.function))]
    assert any(bodies)
    return max((node.attr["N"].i for body in bodies for node in body if node.op == "AddN"), default=0)


def _largest_sum_of_step(forward, variables, batch, **settings) -> int:
    computer = gradients.Gradients(forward, variables, config.TrainConfig(steps=1, batch_size=2, **settings))
    return _largest_sum(computer.of_batch, batch, tf.constant(0, tf.int64))


def _thrice(x):
    return tf.sin(x) * tf.cos(x) * tf.exp(x)


def test_sums_of_three_are_seen():
    def of_tape(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = _thrice(x)
        return tape.gradient(y, x)

    assert _largest_sum(of_tape, tf.ones(2)) == 3


def test_they_are_gathered_again_where_nothing_forbids_it():
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": True})

    def in_pairs(x):
        return tf.gradients(_thrice(x), x, aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE)

    assert _largest_sum(in_pairs, tf.ones(2)) == 3


@pytest.mark.parametrize(("attention", "accumulate"), [("none", 1), ("sta", 1), ("sta", 2)])
def test_streams(attention, accumulate):
    model = attention_stream.AttentionStream(
        num_classes=3, channels=20, backbone="small", attention=attention, cam_units=8, lstm_units=4, name="motion"
    )
    clips = tf.constant(np.zeros([2, 4, 32, 32, 20], np.uint8))
    model(clips, training=False)

    def forward(batch, step):
        outputs = model(batch["clips"], labels=batch["labels"], training=True)
        return losses.stream_losses(outputs, batch["labels"], True, "all", 0.1), tf.zeros([1, 3])

    batch = {"clips": clips, "labels": LABELS}
    assert _largest_sum_of_step(forward, model.trainable_variables, batch, accumulate=accumulate) <= 2


@pytest.mark.parametrize("preset", ["paper", "release"])
def test_collaborative_network(preset):
    model = models.CollaborativeNetwork(3, preset, width=7, hidden_units=8, name="network")
    features = {stream: tf.random.normal([2, 5, 6]) for stream in ("static", "motion")}
    model(features)

    def forward(batch, step):
        outputs = model({stream: batch[stream] for stream in features}, training=True)
        return losses.collaborative_losses(outputs, batch["labels"], step, True, 0.1), tf.zeros([2, 3])

    assert _largest_sum_of_step(forward, model.trainable_variables, features | {"labels": LABELS}) <= 2

"""--collaborative_start=streams: the network starts as the late fusion of the streams."""

import dataclasses
import shutil

import numpy as np
import pytest

from tclsta_tf.models import two_stream
from tclsta_tf.recipes import identity, run, scores, train_collaborative


@pytest.mark.parametrize("rounds", [1, 3])
def test_it_starts_as_the_late_fusion_of_the_streams(finished, tmp_path, rounds):
    for part in ("static", "motion", "features"):
        shutil.copytree(finished.workdir / part, tmp_path / part)
    network = dataclasses.replace(
        finished.config.network, collaborative_start="streams", rescale_temporal=True, collab_rounds=rounds
    )
    stage = dataclasses.replace(
        finished.config.collaborative[0], optimizer="sgd", learning_rate=1e-12, weight_decay=0.0, steps=1
    )
    still = dataclasses.replace(finished.config, network=network, collaborative=(stage,))
    made = dataclasses.replace(finished, config=still, workdir=tmp_path)
    train_collaborative.train_collaborative(made)
    found = train_collaborative.run_network(made, run.TRAIN)
    for stream in ("static", "motion"):
        expected = scores.stream_scores(made, stream, run.TRAIN)
        np.testing.assert_allclose(found[f"{stream}_scores"], expected, atol=1e-5)
        np.testing.assert_allclose(found[f"{stream}_weights"], 1 / made.config.data.test_frames, atol=1e-6)
    late = (scores.stream_scores(made, "static", run.TRAIN) + scores.stream_scores(made, "motion", run.TRAIN)) / 2
    np.testing.assert_allclose(np.asarray(two_stream.merged_scores(found)), late, atol=1e-5)


def test_a_folder_of_another_start_is_refused(finished, tmp_path):
    network = dataclasses.replace(finished.config.network, collaborative_input="alpha")
    random, streams = (
        dataclasses.replace(finished, config=dataclasses.replace(finished.config, network=started), workdir=tmp_path)
        for started in (network, dataclasses.replace(network, collaborative_start="streams"))
    )
    identity.claim(random, "collaborative")
    message = "was made with --collaborative_start=random, this run says --collaborative_start=streams"
    with pytest.raises(ValueError, match=message):
        identity.verify(streams, "collaborative")


def test_features_must_be_as_large_as_the_classifiers_know_them(finished):
    with pytest.raises(ValueError, match="`collaborative_start` must be random .*; add --rescale_temporal"):
        dataclasses.replace(finished.config.network, collaborative_start="streams")
    dataclasses.replace(finished.config.network, collaborative_start="streams", collaborative_input="alpha")


def test_the_release_network_has_no_classifier_for_each_stream(finished):
    with pytest.raises(ValueError, match="`collaborative_start` must be random for the release network"):
        dataclasses.replace(finished.config.network, collaborative_network="release", collaborative_start="streams")

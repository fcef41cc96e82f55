"""The file of stored features: who may write it, and what a full disk leaves of it."""

import resource
import threading

import numpy as np
import pytest

from tclsta_tf.data import frozen_features

SHAPE = (1, 4, 4, 8)


def _store(folder):
    return frozen_features.FrozenFeatures(folder, {}, num_videos=6, draws=1, shape=SHAPE)


def _clips(first, last):
    return [np.full(SHAPE, index, np.float32) for index in range(first, last)]


def test_a_full_disk_is_told_and_costs_no_whole_clip(tmp_path):
    store = _store(tmp_path)
    store.prepare()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * 256 + 100, limits[1]))
        with pytest.raises(OSError, match=r"features.bin cannot be written \(File too large\). What it holds is kept"):
            store.append(_clips(0, 6))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert store.done == 3
    store.append(_clips(3, 6))
    np.testing.assert_array_equal(
        np.fromfile(tmp_path / "features.bin", np.float16), np.concatenate(_clips(0, 6), axis=None)
    )


def test_an_error_of_the_clips_themselves_is_left_as_it_is(tmp_path):
    def broken():
        yield _clips(0, 1)[0]
        raise FileNotFoundError("records")

    store = _store(tmp_path)
    store.prepare()
    with pytest.raises(FileNotFoundError, match="^records$"):
        store.append(broken())
    assert store.done == 1


def test_two_runs_do_not_write_at_the_same_time(tmp_path):
    first, second = _store(tmp_path), _store(tmp_path)
    first.prepare()
    entered = threading.Event()

    def enter():
        with second.reserved():
            entered.set()

    waiting = threading.Thread(target=enter)
    with first.reserved():
        waiting.start()
        assert not entered.wait(0.3)
    assert entered.wait(60)
    waiting.join()

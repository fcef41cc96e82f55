import numpy as np

from tclsta_tf.fusion import subset


def test_a_draw_keeps_the_shares_of_the_classes():
    labels = np.repeat([0, 1, 2, 3], [600, 300, 99, 1])
    rows = subset.draw_by_class(labels, 100, seed=0)
    assert len(rows) == len(set(rows)) == 100 and (np.diff(rows) > 0).all()
    np.testing.assert_allclose(np.bincount(labels[rows]), [60, 30, 10, 1], atol=1)
    assert set(labels[subset.draw_by_class(labels, 4, seed=1)]) == {0, 1, 2, 3}
    np.testing.assert_array_equal(subset.draw_by_class(labels, 5000, seed=0), np.arange(1000))
    assert (rows != subset.draw_by_class(labels, 100, seed=1)).any()
    np.testing.assert_array_equal(rows, subset.draw_by_class(labels, 100, seed=0))

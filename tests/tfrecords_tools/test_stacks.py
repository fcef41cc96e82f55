import numpy as np
import pytest

from tfrecords_tools import schema, stacks


def test_uniform_positions_against_the_formula():
    for n in range(1, 40):
        for count in range(1, 30):
            expected = [i * n // (count + 1) for i in range(1, count + 1)]
            assert stacks.uniform_positions(n, count).tolist() == expected
            assert (len(set(expected)) == count) == (n >= count)


def _brute_force_stacks(num_frames: int, positions: list[int], length: int) -> list[list[int]]:
    """The fields of each stack, straight from METHOD: start min(p, max(0, F - L)), the last field repeats."""
    num_fields = num_frames - 1
    made = []
    for position in positions:
        start = min(position, max(0, num_fields - length))
        made.append([min(start + i, num_fields - 1) for i in range(length)])
    return made


@pytest.mark.parametrize("count", range(0, 14))
def test_sparse_layout_against_brute_force(count):
    for n in range(1, 45):
        frames, fields, starts = stacks.sparse_layout(n, count)
        positions = [i * n // (count + 1) for i in range(1, count + 1)] if count else list(range(n))
        assert frames.tolist() == sorted(set(positions))
        assert len(starts) == len(frames)
        if n == 1:
            assert fields.tolist() == [] and starts.tolist() == [0]
            continue
        expected = _brute_force_stacks(n, frames.tolist(), schema.STACK_LENGTH)
        needed = sorted({field for stack in expected for field in stack}) if count else list(range(n - 1))
        assert fields.tolist() == needed
        assert fields[stacks.stack_fields(starts, len(fields))].tolist() == expected


def test_stack_starts_and_fields_for_other_lengths():
    for num_fields in range(1, 12):
        for length in range(1, 12):
            starts = stacks.stack_starts(np.arange(num_fields + 1), num_fields, length)
            expected = _brute_force_stacks(num_fields + 1, list(range(num_fields + 1)), length)
            assert stacks.stack_fields(starts, num_fields, length).tolist() == expected


def test_packed_stacks_against_numpy():
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 256, (10, 7, 9, 1), dtype=np.uint8)
    fields = rng.integers(0, 5, (3, 4))
    packed = stacks.pack(planes, fields)
    assert packed.dtype == np.uint8 and packed.shape == (3, 7, 9, 8)
    for t, chosen in enumerate(fields):
        for k, field in enumerate(chosen):
            np.testing.assert_array_equal(packed[t, ..., 2 * k], planes[2 * field, ..., 0])
            np.testing.assert_array_equal(packed[t, ..., 2 * k + 1], planes[2 * field + 1, ..., 0])


@pytest.mark.parametrize("shape", [(1,), (3, 5, 7), (0, 4), (10, 224, 224, 20)])
def test_arrays_for_tensorflow_are_aligned(shape):
    for _ in range(5):
        made = stacks.empty(shape)
        assert made.shape == shape and made.dtype == np.uint8 and made.flags.c_contiguous
        assert made.ctypes.data % 64 == 0 or not made.size

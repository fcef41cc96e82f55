import pytest

from tfrecords_tools import spool


@pytest.mark.parametrize("in_memory", [1, 10**6])
def test_gives_back_what_was_appended(tmp_path, monkeypatch, in_memory):
    monkeypatch.setattr(spool, "_IN_MEMORY", in_memory)
    values = [b"a" * size for size in (5, 0, 300, 1)]
    spooled = spool.Spool(tmp_path)
    for index, value in enumerate(values):
        spooled.append(value)
        assert spooled[index // 2] == values[index // 2]  # reading in between does not disturb
    assert list(spooled) == values and len(spooled) == 4 and spooled.sizes() == [5, 0, 300, 1]
    assert spooled[-1] == values[-1] and spooled[1:3] == values[1:3]
    with pytest.raises(IndexError):
        spooled[4]
    assert not list(tmp_path.iterdir())  # no name that a killed process could leave behind


def test_an_empty_spool_is_false(tmp_path):
    assert not spool.Spool(tmp_path)

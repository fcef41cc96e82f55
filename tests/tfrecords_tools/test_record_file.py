import tensorflow as tf

from tfrecords_tools import record_file


def test_bytes_are_those_of_tensorflows_writer(tmp_path):
    records = [[b"one ", b"record", b""], [], [bytes(range(256)) * 50, b"x"]]
    with record_file.RecordWriter(tmp_path / "ours") as file:
        for pieces in records:
            file.write(iter(pieces))
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as file:
        for pieces in records:
            file.write(b"".join(pieces))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    read = list(tf.data.TFRecordDataset(str(tmp_path / "ours")).as_numpy_iterator())
    assert read == [b"".join(pieces) for pieces in records]

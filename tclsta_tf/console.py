"""The console commands that `pip install` makes: `tclsta-train` is `python -m tclsta_tf.train`, and so on.

pyproject.toml gives each of them its function here.
"""

import functools
import runpy

from tfrecords_tools import interruption


def _run(module: str) -> None:
    interruption.take_over()
    # As `python -m` does it, because absl takes the text of --help and the flags that it lists from `__main__`.
    runpy.run_module(module, run_name="__main__", alter_sys=True)


train = functools.partial(_run, "tclsta_tf.train")
extract_features = functools.partial(_run, "tclsta_tf.extract_features")
evaluate = functools.partial(_run, "tclsta_tf.evaluate")
compare = functools.partial(_run, "tclsta_tf.compare")
fuse = functools.partial(_run, "tclsta_tf.fuse")
experiment = functools.partial(_run, "tclsta_tf.experiment")
export = functools.partial(_run, "tclsta_tf.export")
import_weights = functools.partial(_run, "tclsta_tf.import_weights")
predict = functools.partial(_run, "tclsta_tf.predict")
serve = functools.partial(_run, "tclsta_tf.serve")
convert = functools.partial(_run, "tfrecords_tools.convert")
import_frames = functools.partial(_run, "tfrecords_tools.import_frames")
inspect = functools.partial(_run, "tfrecords_tools.inspect")
verify = functools.partial(_run, "tfrecords_tools.verify")
make_demo = functools.partial(_run, "tfrecords_tools.make_demo")
flow_show = functools.partial(_run, "tfrecords_tools.flow.show")

"""Records of the generated videos that a motion stream is first trained on (--motion_warm_start_steps)."""

import subprocess
import sys

from tclsta_tf.recipes import run as run_lib
from tfrecords_tools import manifest, storage


def make_records(run: run_lib.Run) -> None:
    """Makes the records of a run of `Run.warm_start_run`; what is there is kept, what is unfinished is finished.

    The commands that users make records with do it, in processes of their own.

    Raises:
        ValueError: the records are on remote storage, or one of the commands failed.
    """
    records = storage.local(run.data_dir, "workdir")
    if (records / manifest.FILE_NAME).exists():
        return
    side = run.config.data.crop_size * 8 // 7 // 2 * 2  # as large beside the crop as 256 beside 224
    made = records.parent / "generated"
    _run("make_demo", f"--output_dir={made}")
    _run(
        "convert",
        "--dataset=hmdb51",
        f"--videos_dir={made / 'videos'}",
        f"--splits_dir={made / 'splits'}",
        f"--output_dir={records}",
        f"--resize={side}x{side}",
        "--workers=0",
    )


def _run(command: str, *arguments: str) -> None:
    called = [sys.executable, "-m", f"tfrecords_tools.{command}", *arguments]
    if subprocess.run(called, stdout=subprocess.DEVNULL, check=False).returncode:
        raise ValueError(f"the videos of --motion_warm_start_steps could not be made: {' '.join(called)} failed")

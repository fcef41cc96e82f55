r"""Measures the conversion of videos by one worker and by several, in one run.

python -m benchmarks.convert --workers=2

converts generated videos in turn with 1 and with --workers processes, prints videos and pairs per second and their
ratio, and checks that the records are the same bytes. The clock runs from the first shard that is finished to the last
one, so that start-up and compilation, which a long conversion pays once, are left out; they are shown apart.
"""

import hashlib
import pathlib
import tempfile
import time
from collections.abc import Sequence

from absl import app, flags

_WORKERS = flags.DEFINE_integer("workers", 2, "Processes to compare one process with.", lower_bound=2)
_FRAMES = flags.DEFINE_integer("frames", 24, "Frames in each of the 60 generated videos.", lower_bound=8)
_RESIZE = flags.DEFINE_string("resize", "320x240", "Size of the stored frames.")
_FLOW = flags.DEFINE_string("flow", "tvl1", "Method of optical flow.")
_ROUNDS = flags.DEFINE_integer("rounds", 2, "Conversions by each number of workers, in turn; the fastest counts.")


def main(argv: Sequence[str]) -> None:
    """Runs the comparison and prints it as Markdown."""
    del argv
    import cv2

    from tfrecords_tools import cluster, config, datasets, make_demo, shards
    from tfrecords_tools.demo import settings as demo_settings

    print(f"{cluster.available_cores()} cores, flow {_FLOW.value}, {_RESIZE.value}\n")
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        settings = demo_settings.DemoSettings(
            train_videos_per_class=4, test_videos_per_class=2, num_frames=_FRAMES.value
        )
        make_demo.make(root / "demo", settings)
        listing = datasets.list_videos(
            config.ListingSettings("hmdb51", str(root / "demo" / "videos"), str(root / "demo" / "splits"))
        )
        record = config.RecordSettings(resize=_RESIZE.value, flow=_FLOW.value)
        best: dict[int, tuple[float, float, float]] = {}
        hashes = set()
        cv2.setNumThreads(1)
        for attempt in range(_ROUNDS.value):
            for workers in (1, _WORKERS.value):
                output_dir = root / f"records-{workers}-{attempt}"
                (output_dir / shards.WORK_DIR).mkdir(parents=True)
                tasks = shards.plan(listing, output_dir, record, videos_per_shard=1, seed=0)
                start = time.perf_counter()
                finished = []
                for result in cluster.run(shards.write, tasks, workers):
                    finished.append((time.perf_counter() - start, result))
                # The first shard of each worker pays for its start.
                first = finished[workers - 1][0]
                counted = finished[workers:]
                seconds = counted[-1][0] - first
                pairs = sum(video.fields for _, result in counted for video in result.shard.videos)
                rates = (len(counted) / seconds, pairs / seconds, first)
                best[workers] = max(best.get(workers, rates), rates)
                files = sorted(output_dir.glob("*.tfrecord"))
                hashes.add(hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest())
    print("| workers | videos/s | pairs/s | ratio | start-up, s |\n|---|---|---|---|---|")
    for workers, (videos, pairs, first) in best.items():
        print(f"| {workers} | {videos:.2f} | {pairs:.1f} | {videos / best[1][0]:.2f} | {first:.1f} |")
    print(f"\nrecords {'are the same bytes' if len(hashes) == 1 else 'DIFFER'} in all runs")


if __name__ == "__main__":
    app.run(main)

"""Layouts of datasets on disk; each gives a `listing.Listing`. A new one is one module and one line here."""

from collections.abc import Callable

from tfrecords_tools import config
from tfrecords_tools.datasets import csv, folder, hmdb51, listing, thumos14, ucf50, ucf101

DATASETS: dict[str, Callable[[config.ListingSettings], listing.Listing]] = {
    "csv": csv.list_videos,
    "folder": folder.list_videos,
    "hmdb51": hmdb51.list_videos,
    "thumos14": thumos14.list_videos,
    "ucf50": ucf50.list_videos,
    "ucf101": ucf101.list_videos,
}


def list_videos(settings: config.ListingSettings) -> listing.Listing:
    """Lists a dataset, checking all that can be checked without decoding.

    Args:
        settings: The dataset and where it lies.

    Returns:
        Its videos.

    Raises:
        ValueError: Something is wrong with the files or the lists; the message names the file and the remedy.
    """
    if settings.dataset not in DATASETS:
        raise ValueError(f"`dataset` must be one of {sorted(DATASETS)}. Received: dataset={settings.dataset!r}")
    return DATASETS[settings.dataset](settings)

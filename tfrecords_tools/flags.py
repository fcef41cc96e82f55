"""The command-line flags of the commands of this package; defaults come from the dataclasses in `config`."""

from absl import flags

from tfrecords_tools import config, datasets
from tfrecords_tools.flow import methods

flags.disclaim_key_flags()  # So that they count as flags of the command that defines them, and its --help shows them.


def define_record_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of `config.RecordSettings`."""
    default = config.RecordSettings()
    flags.DEFINE_string(
        "resize",
        default.resize,
        "Size of the stored frames: WIDTHxHEIGHT in pixels, or short_side=PIXELS to keep each video's aspect ratio. "
        "One fixed size lets the model be compiled once.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "flow",
        default.flow,
        methods.METHODS,
        "Optical flow. tvl1 is the project's TV-L1, 40-60 ms for a pair of 320x240 frames on one core; tvl1_fast takes "
        "three quarters of that for 5 % more error. dis takes 5-10 ms, farneback 10-20 ms, both less exact; "
        "tvl1_opencv is OpenCV's TV-L1, 1-3 s. Measured in benchmarks/README.md.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "positions",
        default.positions,
        "Store only the frames at this many uniform positions and the flow of the stacks that start there; 0 stores "
        "every frame and every flow field. Small numbers save disk and, where flow is slow, time.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "jpeg_quality",
        default.jpeg_quality,
        "JPEG quality of frames and flow.",
        lower_bound=1,
        upper_bound=100,
        flag_values=values,
    )


def record_settings_from_flags(values: flags.FlagValues = flags.FLAGS) -> config.RecordSettings:
    """Gives the settings that the flags ask for."""
    return config.RecordSettings(
        resize=values.resize, flow=values.flow, positions=values.positions, jpeg_quality=values.jpeg_quality
    )


def define_convert_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of `config.ConvertConfig`."""
    default = config.ConvertConfig(config.ListingSettings(dataset="", videos_dir=""), output_dir="")
    flags.DEFINE_enum(
        "dataset",
        None,
        sorted(datasets.DATASETS),
        "Layout of the input. folder: VIDEOS_DIR/<class>/* and nothing else, a split is made. csv: the videos that "
        "CSV_FILE names, with columns path, label and perhaps split, group. hmdb51: the split files "
        "<class>_test_split<k>.txt in SPLITS_DIR. ucf101: the official lists (ucfTrainTestlist) in SPLITS_DIR. "
        "ucf50: no lists, one split for each group to leave out. thumos14: UCF101, validation and test videos, the "
        "official .mat files in SPLITS_DIR.",
        required=True,
        flag_values=values,
    )
    flags.DEFINE_string(
        "videos_dir",
        None,
        "Folder of the videos; but for thumos14 and csv it holds one folder of video files per class.",
        required=True,
        flag_values=values,
    )
    flags.DEFINE_string(
        "splits_dir",
        default.listing.splits_dir,
        "Folder of the split files, for a dataset that has them.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "csv_file",
        default.listing.csv_file,
        "dataset=csv: the file, with a header line. Paths in it start from VIDEOS_DIR; several labels are separated by "
        "semicolons; a split is train, test or unused.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "allow_missing",
        default.listing.allow_missing,
        "Go on where videos of the lists are not on disk; they are named in OUTPUT_DIR/quarantine.csv. Without it, the "
        "command ends before any work.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "Folder of the records, made where it does not exist. An interrupted run goes on where it stopped when the "
        "same command is given again; a run with other settings needs a folder of its own.",
        required=True,
        flag_values=values,
    )
    flags.DEFINE_list(
        "classes",
        list(default.listing.classes),
        "Take only these classes, separated by commas.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "seed",
        default.listing.seed,
        "Fixes the split that dataset=folder makes and the order of the videos in their shards.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "test_fraction",
        default.listing.test_fraction,
        "dataset=folder: share of each class to hold out for testing, as near as whole groups allow.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "group_pattern",
        default.listing.group_pattern,
        "dataset=folder: regular expression searched in a file name without its suffix. Its first group in brackets "
        "names the group (the film, the person) of a video, and groups are never on both sides of the split. A file "
        "that does not match is a group of its own. The default reads names like v_Archery_g01_c03.avi.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "videos_per_shard",
        default.videos_per_shard,
        "Largest number of videos in one TFRecord file, which is also what one worker does at a time.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "workers",
        default.workers,
        "Processes; 0 for one per processor core. The records do not depend on it.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_string(
        "scheduler",
        default.scheduler,
        "Address of a Dask scheduler, tcp://host:port, whose workers do the work instead. They must have this package "
        "and see the same folders.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "max_bad_videos",
        default.max_bad_videos,
        "How many videos may fail to decode (they are listed in OUTPUT_DIR/quarantine.csv) before the command ends "
        "with a non-zero exit status. The others are converted in any case.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "Write nothing: convert a few of the videos in memory, and say how long all of them will take and how much "
        "disk they need.",
        flag_values=values,
    )
    define_record_flags(values)


def convert_config_from_flags(values: flags.FlagValues = flags.FLAGS) -> config.ConvertConfig:
    """Gives the configuration that the flags ask for."""
    return config.ConvertConfig(
        listing=config.ListingSettings(
            dataset=values.dataset,
            videos_dir=values.videos_dir,
            splits_dir=values.splits_dir,
            csv_file=values.csv_file,
            allow_missing=values.allow_missing,
            classes=tuple(values.classes),
            seed=values.seed,
            test_fraction=values.test_fraction,
            group_pattern=values.group_pattern,
        ),
        output_dir=values.output_dir,
        record=record_settings_from_flags(values),
        videos_per_shard=values.videos_per_shard,
        workers=values.workers,
        max_bad_videos=values.max_bad_videos,
        scheduler=values.scheduler,
    )

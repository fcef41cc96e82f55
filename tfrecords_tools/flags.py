"""The command-line flags of the commands of this package; defaults come from the dataclasses in `config`."""

import dataclasses

from absl import flags

from tfrecords_tools import config, datasets
from tfrecords_tools.flow import methods

flags.disclaim_key_flags()  # So that they count as flags of the command that defines them, and its --help shows them.


_RESIZE_HELP = (
    "Size of the stored frames: WIDTHxHEIGHT in pixels, or short_side=PIXELS to keep each video's aspect ratio. "
    "One fixed size lets the model be compiled once."
)
_FLOW_HELP = (
    "Optical flow. tvl1 is the project's TV-L1, 40-60 ms for a pair of 320x240 frames on one core; tvl1_fast takes "
    "three quarters of that for 5 % more error. dis takes 5-10 ms, farneback 10-20 ms, both less exact; "
    "tvl1_opencv is OpenCV's TV-L1, 1-3 s. Measured in benchmarks/README.md."
)


def define_record_flags(
    values: flags.FlagValues = flags.FLAGS, resize_help: str = _RESIZE_HELP, flow_help: str = _FLOW_HELP
) -> None:
    """Defines the flags of `config.RecordSettings`; the help is that of making records from videos."""
    default = config.RecordSettings()
    flags.DEFINE_string("resize", default.resize, resize_help, flag_values=values)
    flags.DEFINE_enum("flow", default.flow, methods.METHODS, flow_help, flag_values=values)
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


def define_listing_flags(values: flags.FlagValues, folder: str) -> None:
    """Defines the flags of `config.ListingSettings`, but for the folder of the videos, which is named `folder`."""
    default = config.ListingSettings(dataset="", videos_dir="")
    flags.DEFINE_enum(
        "dataset",
        None,
        sorted(datasets.DATASETS),
        f"Layout of the input. folder: {folder}/<class>/* and nothing else, a split is made. csv: the videos that "
        "CSV_FILE names, with columns path, label and perhaps split, group. hmdb51: the split files "
        "<class>_test_split<k>.txt in SPLITS_DIR. ucf101: the official lists (ucfTrainTestlist) in SPLITS_DIR. "
        "ucf50: no lists, one split for each group to leave out. thumos14: UCF101, validation and test videos, the "
        "official .mat files in SPLITS_DIR.",
        required=True,
        flag_values=values,
    )
    flags.DEFINE_string(
        "splits_dir",
        default.splits_dir,
        "Folder of the split files, for a dataset that has them.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "csv_file",
        default.csv_file,
        f"dataset=csv: the file, with a header line. Paths in it start from {folder}; several labels are separated by "
        "semicolons; a split is train, test or unused.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "allow_missing",
        default.allow_missing,
        "Go on where videos of the lists are not on disk; they are named in OUTPUT_DIR/quarantine.csv. Without it, the "
        "command ends before any work.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "classes",
        list(default.classes),
        "Take only these classes, separated by commas.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "seed",
        default.seed,
        "Fixes the split that dataset=folder makes and the order of the videos in their shards.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "test_fraction",
        default.test_fraction,
        "dataset=folder: share of each class to hold out for testing, as near as whole groups allow.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "group_pattern",
        default.group_pattern,
        "dataset=folder: regular expression searched in a file name without its suffix. Its first group in brackets "
        "names the group (the film, the person) of a video, and groups are never on both sides of the split. A file "
        "that does not match is a group of its own. The default reads names like v_Archery_g01_c03.avi.",
        flag_values=values,
    )


def define_work_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of `config.ConvertConfig` that say where records go and who makes them."""
    default = config.ConvertConfig(config.ListingSettings(dataset="", videos_dir=""), output_dir="")
    flags.DEFINE_string(
        "output_dir",
        None,
        "Folder of the records, made where it does not exist. An interrupted run goes on where it stopped when the "
        "same command is given again; a run with other settings needs a folder of its own.",
        required=True,
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


def define_convert_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of `tfrecords_tools.convert`."""
    flags.DEFINE_string(
        "videos_dir",
        None,
        "Folder of the videos; but for thumos14 and csv it holds one folder of video files per class.",
        required=True,
        flag_values=values,
    )
    define_listing_flags(values, "VIDEOS_DIR")
    define_work_flags(values)
    flags.DEFINE_bool(
        "dry_run",
        False,
        "Write nothing: convert a few of the videos in memory, and say how long all of them will take and how much "
        "disk they need.",
        flag_values=values,
    )
    define_record_flags(values)


def define_import_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of `tfrecords_tools.import_frames`."""
    default = config.ExtractionSettings(layout=config.LAYOUTS[0])
    flags.DEFINE_string(
        "frames_dir",
        None,
        "Folder of the extracted frames. A video is a folder of images in it, FRAMES_DIR/<class>/<video>/; where the "
        "dataset tells classes by names or lists, FRAMES_DIR/<video>/ is as good.",
        required=True,
        flag_values=values,
    )
    flags.DEFINE_enum(
        "layout",
        None,
        config.LAYOUTS,
        "Names of the files. denseflow and tsn: img_00001.jpg, flow_x_00001.jpg, flow_y_00001.jpg in one folder. "
        "feichtenhofer: frame000001.jpg in FRAMES_DIR (jpegs_256) and in FLOW_DIR/u and FLOW_DIR/v (tvl1_flow). "
        "Numbers may start at 0 or 1, with any padding.",
        required=True,
        flag_values=values,
    )
    flags.DEFINE_string(
        "flow_dir",
        default.flow_dir,
        "Folder of the flow, with the same folders in it as FRAMES_DIR; empty where it lies beside the frames.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "bound",
        default.bound,
        "Flow was clipped to [-BOUND, BOUND] pixels per frame when it was stored. Any other than 20 needs --reencode.",
        flag_values=values,
    )
    flags.DEFINE_float("frame_rate", default.frame_rate, "Frames per second of the videos.", flag_values=values)
    flags.DEFINE_enum(
        "surplus_flow",
        default.surplus_flow,
        ["", "first", "last"],
        "Where a video has as many flow fields as frames, the field that joins no two of them and is left out. Empty "
        "for what is usual: first for tsn, whose tool stores the second frame with each field, else last.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "reencode",
        default.reencode,
        "Decode images and encode them anew where they cannot be taken as they are: to resize them, for another bound, "
        "for PNGs, or where u and v cannot be joined without loss. Without it such videos are quarantined.",
        flag_values=values,
    )
    define_listing_flags(values, "FRAMES_DIR")
    define_work_flags(values)
    define_record_flags(
        values,
        resize_help="Size of the stored frames: WIDTHxHEIGHT in pixels, or short_side=PIXELS. Images of another size "
        "need --reencode.",
        flow_help="The method by which the flow was made; a trained model makes that of new videos by it.",
    )


def convert_config_from_flags(values: flags.FlagValues = flags.FLAGS) -> config.ConvertConfig:
    """Gives the configuration that the flags of `convert` ask for."""
    return _config(values, _listing(values, values.videos_dir))


def import_config_from_flags(values: flags.FlagValues = flags.FLAGS) -> config.ConvertConfig:
    """Gives the configuration that the flags of `import_frames` ask for."""
    extraction = config.ExtractionSettings(
        layout=values.layout,
        flow_dir=values.flow_dir,
        bound=values.bound,
        frame_rate=values.frame_rate,
        surplus_flow=values.surplus_flow,
        reencode=values.reencode,
    )
    listing = dataclasses.replace(_listing(values, values.frames_dir), frame_folders=True)
    return dataclasses.replace(_config(values, listing), extraction=extraction)


def _listing(values: flags.FlagValues, videos_dir: str) -> config.ListingSettings:
    return config.ListingSettings(
        dataset=values.dataset,
        videos_dir=videos_dir,
        splits_dir=values.splits_dir,
        csv_file=values.csv_file,
        allow_missing=values.allow_missing,
        classes=tuple(values.classes),
        seed=values.seed,
        test_fraction=values.test_fraction,
        group_pattern=values.group_pattern,
    )


def _config(values: flags.FlagValues, listing: config.ListingSettings) -> config.ConvertConfig:
    return config.ConvertConfig(
        listing=listing,
        output_dir=values.output_dir,
        record=record_settings_from_flags(values),
        videos_per_shard=values.videos_per_shard,
        workers=values.workers,
        max_bad_videos=values.max_bad_videos,
        scheduler=values.scheduler,
    )

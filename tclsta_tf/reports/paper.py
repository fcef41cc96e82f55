"""The published figures, to stand beside one's own.

Reference:
    Peng, Zhao and Zhang, "Two-stream Collaborative Learning with Spatial-Temporal Attention for Video
    Classification", IEEE TCSVT 2018, Tables VI to IX.
"""

_DATASETS = ("hmdb51", "ucf50", "ucf101", "thumos14")

# One value per entry of `_DATASETS`: accuracy, for THUMOS14 mean average precision.
_ACCURACY = {
    # Table VI
    "frame": (0.514, 0.904, 0.839, 0.721),
    "frame+SA": (0.527, 0.912, 0.847, 0.744),
    "frame+TA": (0.535, 0.920, 0.850, 0.729),
    "frame+STA": (0.548, 0.926, 0.859, 0.763),
    "flow": (0.529, 0.900, 0.810, 0.665),
    "flow+SA": (0.547, 0.910, 0.827, 0.688),
    "flow+TA": (0.565, 0.913, 0.840, 0.671),
    "flow+STA": (0.592, 0.919, 0.859, 0.702),
    "two-stream": (0.626, 0.934, 0.917, 0.776),
    "two-stream+SA": (0.641, 0.939, 0.923, 0.800),
    "two-stream+TA": (0.652, 0.941, 0.926, 0.796),
    "two-stream+STA": (0.676, 0.948, 0.928, 0.831),
    # Table VII
    "two-stream+STA+CLN": (0.679, 0.951, 0.932, 0.836),
    "two-stream+STA+AWL": (0.682, 0.953, 0.936, 0.841),
    "two-stream+STA+CLN+AWL": (0.687, 0.957, 0.940, 0.847),
    "TCLSTA": (0.687, 0.957, 0.940, 0.847),  # the row above, by its other name
    # Table VIII
    "fusion/late": (0.676, 0.948, 0.928, 0.831),
    "fusion/early": (0.679, 0.950, 0.931, 0.834),
    "fusion/mkl": (0.680, 0.951, 0.934, 0.836),
    "fusion/awl": (0.682, 0.953, 0.936, 0.841),
}

NUM_CLASSES = {"hmdb51": 51, "ucf50": 50, "ucf101": 101, "thumos14": 101}
"""Classes of each data set: one with fewer, or another one in the same layout, has other figures."""

PROTOCOLS = {
    "hmdb51": "mean of 3 splits",
    "ucf50": "mean over 25 groups, each left out once",
    "ucf101": "mean of 3 splits",
    "thumos14": "mean average precision on the test videos",
}
"""What the paper's figures of a data set are taken over."""

SPEED = {"TCLSTA": 89.6, "two-stream of Simonyan and Zisserman": 99.7}
"""Table IX: method -> frames per second, HMDB51, NVIDIA TITAN X. The second is a network with fewer layers."""


def accuracy(dataset: str) -> dict[str, float]:
    """Returns row of `tables.ROW_ORDER` -> published fraction; nothing for a data set that the paper lacks."""
    if dataset not in _DATASETS:
        return {}
    column = _DATASETS.index(dataset)
    return {row: values[column] for row, values in _ACCURACY.items()}

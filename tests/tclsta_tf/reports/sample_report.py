"""A report as a run on real videos would give it, from made-up numbers."""

import cv2
import numpy as np

from tclsta_tf.reports import attention_figure, explorers, figures, html, tables

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><b>bold</b>",
    """quotes " and ' & more""",
    "x" * 120,
    "handstand 🤸‍♀️ ü",
    "<!--<script>",
)
_WORDS = "brush hair,cartwheel,catch,chew,clap,climb,climb stairs,dive,draw sword,dribble,drink,eat,fall floor,fencing"
_WORDS += ",flic flac,golf,hug,jump,kick ball,pour,ride bike,run,shoot bow,sit up,swing baseball,turn,walk,wave"


def names(count: int) -> list[str]:
    """Class names, without repetition."""
    words = _WORDS.split(",")
    return [words[i % len(words)] + (f" {i // len(words) + 1}" if i >= len(words) else "") for i in range(count)]


def confusion(labels: list[str], videos: int = 30, seed: int = 0) -> explorers.Confusion:
    """Counts of which most are right; the last class has no videos and the one before it a single one."""
    rng = np.random.default_rng(seed)
    size = len(labels)
    counts = np.zeros((size, size), int)
    totals = np.full(size, videos)
    totals[-2:] = 1, 0
    for i, total in enumerate(totals):
        shares = rng.dirichlet(np.full(size, 0.08))
        shares = 0.35 * shares + 0.65 * np.eye(size)[i] * rng.uniform(0.3, 1.5)
        counts[i] = rng.multinomial(total, shares / shares.sum())
    return explorers.Confusion(labels, counts)


def thumbnail(seed: int = 0, width: int = 240, height: int = 180) -> bytes:
    """A JPEG file with a soft pattern of a photograph's size in bytes."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    picture = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(seed).normal(0, 6, picture.shape)
    return cv2.imencode(".jpg", np.clip(picture + grain, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 80])[
        1
    ].tobytes()


def attention(label: str, seed: int = 0, count: int = 25, side: int = 224) -> html.Picture:
    """A picture of Fig. 7 of a made-up video."""
    rng = np.random.default_rng(seed)
    frames = np.stack(
        [cv2.resize(rng.integers(0, 256, (5, 5, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)] * count
    )
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    flow = np.stack([np.stack([-rows, columns], -1) * 3] * count).astype(np.float32)
    flow *= np.exp(-3 * (rows**2 + columns**2))[..., np.newaxis].astype(np.float32)
    maps = rng.gamma(0.4, size=(2, count, 7, 7))
    maps /= maps.mean(axis=(2, 3), keepdims=True)
    weights = rng.dirichlet(np.full(count, 4), size=4)
    video = attention_figure.VideoAttention(
        frames, flow, maps[0], maps[1], *weights, title=f"v_{label}_01.avi", true_label=label, predicted_label=label
    )
    return html.Picture(
        f"Attention, {label}", figures.to_png(attention_figure.draw(video), dpi=100), f"Heat maps of {label}", wide=True
    )


def class_rows(matrix: explorers.Confusion, seed: int = 0) -> list[explorers.ClassRow]:
    """One row per class of the matrix, fused as the matrix says."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, label in enumerate(matrix.labels):
        total, weight = int(matrix.counts[i].sum()), float(rng.uniform(0.3, 0.7))
        fused = matrix.counts[i, i] / total if total else None
        streams = [None if fused is None else float(np.clip(fused - rng.uniform(0, 0.3), 0, 1)) for _ in range(2)]
        rows.append(explorers.ClassRow(label, total, *streams, fused, weight, 1 - weight))
    return rows


def build(labels: list[str], num_examples: int = 24, num_attention: int = 1, videos: int = 30) -> html.Report:
    """The whole report."""
    matrix = confusion(labels, videos)
    rng = np.random.default_rng(1)
    accuracy = np.sort(rng.uniform(0.5, 0.7, len(tables.ROW_ORDER)))
    total = int(matrix.counts.sum())
    results = {
        name: {
            "overall_accuracy": float(value),
            "mean_class_accuracy": float(value - 0.01),
            "top5_accuracy": float(value + 0.25),
            "mean_average_precision": float(value),
            "num_videos": total,
        }
        for name, value in zip(tables.ROW_ORDER, accuracy, strict=True)
    }
    intervals = {
        name: {"overall_accuracy": (value - 0.021, value + 0.022), "mean_class_accuracy": (value - 0.04, value + 0.02)}
        for name, value in zip(tables.ROW_ORDER, accuracy, strict=True)
    }
    wrong = np.argwhere((matrix.counts > 0) & ~np.eye(len(labels), dtype=bool))
    wrong = sorted(wrong.tolist(), key=lambda pair: -matrix.counts[tuple(pair)])
    steps = np.arange(0, 4000, 100)
    curves = {
        "static": (steps, 4 * np.exp(-steps / 900) + 0.3 + rng.normal(0, 0.04, len(steps))),
        "motion": (steps, 4.2 * np.exp(-steps / 1300) + 0.5 + rng.normal(0, 0.04, len(steps))),
    }
    examples = [
        explorers.Example(
            thumbnail(i),
            f"v_{labels[i % len(labels)]}_g{i:02d}.avi",
            labels[i % len(labels)],
            labels[(i + (i % 3 == 0)) % len(labels)],
            float(rng.uniform(0.3, 1)),
            f"The middle frame of a video of {labels[i % len(labels)]}",
        )
        for i in range(num_examples)
    ]
    return html.Report(
        title="TCLSTA on hmdb51, split 1",
        subtitle=f"{total} test videos, {len(labels)} classes",
        headlines=[
            html.Headline("TCLSTA", "68.4 %", "the whole method; 95 % interval 66.1 to 70.8 %"),
            html.Headline("two-stream+STA", "67.1 %", "mean of both streams; 95 % interval 64.9 to 69.3 %"),
            html.Headline("frame+STA", "54.9 %", "static stream; 95 % interval 52.5 to 57.2 %"),
            html.Headline("flow+STA", "58.8 %", "motion stream; 95 % interval 56.4 to 61.1 %"),
        ],
        results=results,
        intervals=intervals,
        best="TCLSTA",
        tables=tables.paper_tables(
            results, "hmdb51", intervals, speed={"decode": 812.0, "flow": 31.5, "static": 240.1, "motion": 233.9,
                                                 "fusion": None},
        ),
        confusion=matrix,
        confused=[
            (labels[i], labels[j], int(matrix.counts[i, j]), float(matrix.counts[i, j] / matrix.counts[i].sum()))
            for i, j in wrong[:10]
        ],
        classes=class_rows(matrix),
        examples=examples,
        sections=[
            html.Section(
                "Training",
                pictures=[
                    html.Picture("Loss", figures.to_png(figures.training_curves(curves, "loss")), "Loss over steps")
                ],
            ),
            html.Section(
                "Attention", "The first test video of evenly spaced classes; none is chosen by eye.",
                pictures=[attention(labels[i], i) for i in range(num_attention)],
            ),
        ],
        configuration={"train.learning_rate": 0.001, "data.split": 1, "data.dir": "/data/" * 20},
        footer="code revision 0123456789abcdef",
    )  # fmt: skip

"""Imported weights give the features of the PyTorch network that they come from."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets

from tclsta_tf.models import backbones
from tclsta_tf.recipes import import_weights

torch = pytest.importorskip("torch")
nn = torch.nn
ROOT = pathlib.Path(__file__).resolve().parents[2]

MEAN, DEVIATION = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


class Bottleneck(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        for number, (inputs, outputs, size, step) in enumerate(
            [(channels, width, 1, 1), (width, width, 3, stride), (width, 4 * width, 1, 1)], start=1
        ):
            setattr(self, f"conv{number}", nn.Conv2d(inputs, outputs, size, step, size // 2, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(outputs))
        if channels != 4 * width:
            convolution = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(4 * width))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(y)))))
        return torch.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet50(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        inputs = 64
        for part, (width, count) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], start=1):
            steps = [1 if part == 1 else 2] + [1] * (count - 1)
            blocks = [Bottleneck(inputs if i == 0 else 4 * width, width, step) for i, step in enumerate(steps)]
            setattr(self, f"layer{part}", nn.Sequential(*blocks))
            inputs = 4 * width
        self.fc = nn.Linear(2048, 5)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class Features(nn.Module):
    """Convolutions with a ReLU behind each, and max pooling where the list has a pair (window, stride)."""

    def __init__(self, channels, layers):
        super().__init__()
        modules = []
        for layer in layers:
            if len(layer) == 2:
                modules.append(nn.MaxPool2d(*layer))
                continue
            modules += [nn.Conv2d(channels, *layer), nn.ReLU(inplace=True)]
            channels = layer[0]
        self.features, self.classifier = nn.Sequential(*modules), nn.Linear(channels, 5)

    def forward(self, x):
        return self.features(x)


def alexnet(channels):
    rest = [(192, 5, 1, 2), (3, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1)]
    return Features(channels, [(64, 11, 4, 2), (3, 2), *rest])


def vgg16(channels):
    parts = [[(width, 3, 1, 1)] * count for width, count in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]]
    return Features(channels, [layer for part in parts for layer in [(2, 2), *part]][1:])


NETWORKS = {"resnet50v15": ResNet50, "alexnet": alexnet, "vgg16": vgg16}


def randomise(network):
    """Weights that keep activations in range, and statistics of normalisation that are not the initial ones."""
    torch.manual_seed(5)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.4, 0.8)
            nn.init.normal_(module.bias, std=0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def torchvision_names(state):
    return state


def mmaction2_names(state):
    """Convolution and normalisation inside one module, and a head of its own."""
    renamed = {}
    for name, value in state.items():
        *folder, module, kind = name.split(".")
        if "downsample" in folder:
            path = [*folder, ("conv", "bn")[int(module)]]
        else:
            path = [*folder, module.replace("bn", "conv"), "bn" if module.startswith("bn") else "conv"]
        key = f"cls_head.fc_cls.{kind}" if module == "fc" else ".".join(["backbone", *path, kind])
        renamed[key] = value
    return {"meta": {"epoch": 3, "CLASSES": ("a", "b")}, "state_dict": renamed}


def tsn_names(state):
    """As saved by parallel training."""
    heads = {"fc": "new_fc", "classifier": "new_fc"}
    return {
        "epoch": 3,
        "state_dict": {
            f"module.{heads.get(name.split('.')[0], 'base_model.' + name.split('.')[0])}.{name.split('.', 1)[1]}": value
            for name, value in state.items()
        },
    }


@pytest.fixture(scope="module")
def photographs():
    """uint8 [2, 64, 64, 20]: crops of two photographs, RGB first, then colours and greys of other places."""
    images = [datasets.load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    crops = [
        np.concatenate([image[y : y + 128 : 2, 200 : 200 + 128 : 2] for y in range(60, 200, 20)], axis=2)
        for image in images
    ]
    return np.stack(crops)[..., :20]


def features(network, values):
    with torch.no_grad():
        return network(torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2), "float32"))).permute(
            0, 2, 3, 1
        ).numpy()  # fmt: skip


def imported(tmp_path, checkpoint, name, channels, **arguments):
    torch.save(checkpoint, tmp_path / "network.pth")
    output = tmp_path / "network.weights.h5"
    summary = import_weights.import_weights(tmp_path / "network.pth", name, output, **arguments)
    assert not list(tmp_path.glob("partial-*"))
    return backbones.build_backbone(name, channels, output), summary


def difference(ours, theirs):
    assert theirs.shape == ours.shape and theirs.std() > 0.1 * theirs.max() / 10
    return np.abs(ours - theirs).max() / theirs.max()


@pytest.mark.parametrize(
    ("name", "rename", "tolerance"),
    [
        ("resnet50v15", torchvision_names, 1e-5),
        ("resnet50v15", mmaction2_names, 1e-5),
        ("vgg16", torchvision_names, 1e-5),
        ("alexnet", tsn_names, 1e-5),
    ],
)
def test_frames(tmp_path, photographs, name, rename, tolerance):
    network = randomise(NETWORKS[name](3))
    frames = photographs[..., :3]
    theirs = features(network, (frames / 255.0 - MEAN) / DEVIATION)
    model, summary = imported(tmp_path, rename(network.state_dict()), name, 3)
    ours = np.asarray(model(frames))
    print("DIFF", name, rename.__name__, difference(ours, theirs), "inner", np.abs(ours - theirs)[:, 1:-1, 1:-1].max(initial=0) / theirs.max())
    assert "frames, for --backbone_weights" in summary


@pytest.mark.parametrize(
    ("name", "rename", "channels", "mean", "deviation", "tolerance"),
    [
        ("resnet50v15", mmaction2_names, 10, 128, 128, 1e-5),
        ("resnet50v15", tsn_names, 20, 127.5, 57.63, 1e-5),
        ("alexnet", tsn_names, 10, 127.5, 57.63, 1e-5),
    ],
)
def test_flow(tmp_path, photographs, name, rename, channels, mean, deviation, tolerance):
    network = randomise(NETWORKS[name](channels))
    flow = photographs
    values = (flow.astype("float64") - mean) / deviation
    seen = values.reshape(2, 64, 64, channels // 2, 20 // channels, 2).mean(4).reshape(2, 64, 64, channels)
    theirs = features(network, seen)
    model, summary = imported(tmp_path, rename(network.state_dict()), name, 20)
    ours = np.asarray(model(flow))
    print("DIFF", name, rename.__name__, difference(ours, theirs), "inner", np.abs(ours - theirs)[:, 1:-1, 1:-1].max(initial=0) / theirs.max())
    print(summary)

"""Imported weights give the features of the PyTorch network that they come from."""

import functools
import pathlib
import sys

import keras
import numpy as np
import pytest
from sklearn import datasets

from tclsta_tf.models import backbones, pytorch_weights
from tclsta_tf.recipes import import_weights

torch = pytest.importorskip("torch")
nn = torch.nn
ROOT = pathlib.Path(__file__).resolve().parents[2]

# What torchvision, MMAction2 and TSN subtract from a pixel in [0, 1], R, G, B, and divide by.
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


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
    """As parallel training saves it."""
    renamed = {}
    for name, value in state.items():
        is_head = name.startswith(("fc.", "classifier."))
        renamed[f"module.new_fc.{name.split('.')[-1]}" if is_head else f"module.base_model.{name}"] = value
    return {"epoch": 3, "arch": "any", "best_prec1": torch.tensor(70.0), "state_dict": renamed}


PROJECTS = {torchvision_names: "torchvision", mmaction2_names: "MMAction2", tsn_names: "TSN"}


@pytest.fixture(scope="module")
def photographs():
    """uint8 [2, 64, 64, 20], crops of two photographs: RGB in front, colours of other places behind it."""
    crops = [
        np.concatenate([image[y : y + 128 : 2, 200:328:2] for y in range(60, 200, 20)], axis=2)
        for image in map(datasets.load_sample_image, ("china.jpg", "flower.jpg"))
    ]
    return np.stack(crops)[..., :20]


def save_and_import(folder, checkpoint, name, channels):
    """The backbone as a stream starts from it, and what the import said."""
    torch.save(checkpoint, folder / "network.pth")
    summary = import_weights.import_weights(folder / "network.pth", name, folder / "network.weights.h5")
    return backbones.build_backbone(name, channels, folder / "network.weights.h5"), summary


def features(network, images):
    """float32 [b, h, w, D] of images [b, H, W, C] as PyTorch's side scales them."""
    with torch.no_grad():
        values = network(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2), "float32")))
    return values.numpy().transpose(0, 2, 3, 1)


def largest_difference(ours, theirs):
    """As a share of the greatest value."""
    assert theirs.shape == ours.shape and theirs.std() > 0.05 * theirs.max()
    return np.abs(ours - theirs).max() / theirs.max()


def check(model, network, name, images, scaled, exact):
    """Compares the last maps; where padding differs by half a byte, exactly but for the first map's margin."""
    last = largest_difference(np.asarray(model(images)), features(network, scaled))
    if exact:
        assert last < 1e-5
        return
    assert 1e-5 < last < 2e-3
    if name == "resnet50v15":
        layer = "conv1_relu"
        start = nn.Sequential(network.conv1, network.bn1, nn.ReLU())
    else:
        layer = {"vgg16": "block1_conv1", "alexnet": "conv1_relu"}[name]
        start = network.features[:2]
    part = keras.Model(model.input, model.get_layer(layer).output)
    ours, theirs = np.asarray(part(images)), features(start, scaled)
    assert largest_difference(ours[:, 2:-2, 2:-2], theirs[:, 2:-2, 2:-2]) < 1e-5


@pytest.mark.parametrize(
    ("name", "rename", "exact"),
    [("resnet50v15", torchvision_names, True), ("vgg16", torchvision_names, False), ("alexnet", tsn_names, False)],
)
def test_frames(tmp_path, photographs, name, rename, exact):
    network = randomise(NETWORKS[name](3))
    frames = photographs[..., :3]
    model, summary = save_and_import(tmp_path, rename(network.state_dict()), name, 3)
    check(model, network, name, frames, (frames / 255.0 - MEAN) / DEVIATION, exact)
    assert summary == f"{name}, names of {PROJECTS[rename]}: frames, for --backbone_weights"
    assert not list(tmp_path.glob("partial-*"))


@pytest.mark.parametrize(
    ("name", "rename", "channels", "mean", "deviation"),
    [
        ("resnet50v15", mmaction2_names, 10, 128, 128),
        ("resnet50v15", tsn_names, 20, 127.5, 57.63),
        ("alexnet", tsn_names, 2, 127.5, 57.63),
    ],
)
def test_flow(tmp_path, photographs, name, rename, channels, mean, deviation):
    network = randomise(NETWORKS[name](channels))
    repeated = 20 // channels
    # A network for fewer fields sees the means of neighbouring fields: u of some, v of the same, u of the next.
    fields = photographs.astype("float64").reshape(2, 64, 64, channels // 2, repeated, 2).mean(axis=4)
    scaled = (fields.reshape(2, 64, 64, channels) - mean) / deviation
    model, summary = save_and_import(tmp_path, rename(network.state_dict()), name, 20)
    check(model, network, name, photographs, scaled, exact=mean == 128)
    each = f", each for {repeated} fields" if repeated > 1 else ""
    assert summary.endswith(f"{PROJECTS[rename]}: {channels // 2} fields of flow{each}, for --motion_backbone_weights")


def test_scaling_of_flow_can_be_told(photographs):
    network = randomise(alexnet(20))
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    made = pytorch_weights.import_state_dict("alexnet", state, 20, flow_mean=128.0, flow_deviation=40.0)
    check(made.backbone, network, "alexnet", photographs, (photographs - 128.0) / 40.0, exact=True)


def alexnet_state(channels=3, **changes):
    state = {name: value.numpy() for name, value in alexnet(channels).state_dict().items()}
    return {name: value for name, value in {**state, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("googlenet", {}, "`name` must be one of resnet50v15, vgg16, alexnet. Received: name=googlenet .*pools 2x2"),
        ("resnet50", {}, "it is resnet50v15 here"),
        ("small", {}, "has no such network"),
        ("resnet50v15", {}, "names of torchvision, it lacks conv1.weight. Give the `name`"),
        ("alexnet", {"features.3.bias": None}, "it lacks features.3.bias"),
        ("alexnet", {"features.4.running_mean": np.zeros(192)}, "it has features.4.running_mean besides"),
        ("alexnet", {"features.3.bias": np.zeros(3)}, r"it has features.3.bias of shape \[3\]"),
        ("alexnet", {"features.0.weight": np.zeros([64, 3, 7, 7])}, r"features.0.weight of shape \[64, 3, 7, 7\]"),
        ("alexnet", {"features.0.weight": np.zeros([64, 6, 11, 11])}, "where L divides the 10 .* so 6 channels"),
        ("alexnet", {"features.0.weight": np.zeros([64, 5, 11, 11])}, "so 5 channels"),
        (
            "alexnet",
            {"features.0.weight": np.zeros([64, 20, 11, 11])},
            "`flow_mean` and `flow_deviation` must be given",
        ),
    ],
)
def test_another_network_is_refused(name, changes, message):
    with pytest.raises(ValueError, match=message):
        pytorch_weights.import_state_dict(name, alexnet_state(**changes), 20)


def test_files_that_are_no_state_dict_are_refused(tmp_path):
    path = tmp_path / "network.pth"
    with pytest.raises(ValueError, match="`source` must be an existing file"):
        import_weights.read_state_dict(path)
    torch.save({"state_dict": {"x": torch.zeros(2000)}}, path)
    whole = path.read_bytes()
    for content, message in [(b"text", "torch.save"), (whole[:3000], "whole file of torch.save"), (b"", "torch.save")]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"`source` must be a.*{message}"):
            import_weights.read_state_dict(path)
    for content, message in [
        ({"state_dict": {}, "path": path}, "tensors and plain values only.*take out its tensors"),
        ([torch.zeros(2)], "hold a state dict"),
        ({"epoch": 3}, "hold a state dict"),
    ]:
        torch.save(content, path)
        with pytest.raises(ValueError, match=f"`source` must.*{message}"):
            import_weights.read_state_dict(path)


def test_pytorch_that_is_missing_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match=r"can only be read with PyTorch: pip install 'tclsta-tf\[torch\]'$"):
        import_weights.read_state_dict(tmp_path / "network.pth")


@pytest.mark.slow
def test_command(run_command, tmp_path):
    command = functools.partial(run_command, "tclsta_tf.import_weights", "--quiet", cwd=tmp_path)

    torch.save(alexnet(20).state_dict(), tmp_path / "a.pth")
    scaling = ["--flow_mean=128", "--flow_deviation=128"]
    done = command("--from=a.pth", "--backbone=alexnet", "--output=a.weights.h5", *scaling)
    assert done.returncode == 0 and "for --motion_backbone_weights" in done.stdout, done.stderr
    assert backbones.build_backbone("alexnet", 20, tmp_path / "a.weights.h5").get_layer("conv1_conv").get_weights()
    done = command("--from=a.pth", "--output=b.weights.h5")
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "error: --from=a.pth is that of another network: read by the names of torchvision, it lacks conv1.weight. " \
        "Give the --backbone that it was made for" in done.stderr  # fmt: skip
    assert not list(tmp_path.glob("*b.weights.h5"))

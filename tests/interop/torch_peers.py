"""Networks as PyTorch users define them, with the names of torchvision's, which files of weights are full of."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Basic(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        widths = (64, 64, 128, 256, 512)
        for stage in range(1, 5):
            first = Basic(widths[stage - 1], widths[stage], 1 if stage == 1 else 2)
            self.add_module(f"layer{stage}", nn.Sequential(first, Basic(widths[stage], widths[stage], 1)))
        self.fc = nn.Linear(512, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        return self.fc(x.mean((2, 3)))


def conv_bn_relu6(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6())


class Inverted(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = inputs * expand
        first = [conv_bn_relu6(inputs, inner, 1)] if expand != 1 else []
        last = (nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.conv = nn.Sequential(*first, conv_bn_relu6(inner, inner, 3, stride, inner), *last)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn_relu6(3, 32, 3, 2)]
        channels = 32
        table = (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        )
        for expand, outputs, count, stride in table:
            for number in range(count):
                layers.append(Inverted(channels, outputs, stride if number == 0 else 1, expand))
                channels = outputs
        self.features = nn.Sequential(*layers, conv_bn_relu6(channels, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


class ConvBn(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: Any = 1, stride: int = 1, padding: Any = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


ROW: Any = {"kernel": (1, 7), "padding": (0, 3)}
COLUMN: Any = {"kernel": (7, 1), "padding": (3, 0)}
SHORT_ROW: Any = {"kernel": (1, 3), "padding": (0, 1)}
SHORT_COLUMN: Any = {"kernel": (3, 1), "padding": (1, 0)}
THREE: Any = {"kernel": 3, "padding": 1}


def averaged(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1)


class Mixed(nn.Module):
    """Branches of convolutions side by side; ``ways`` are lists of names, in pairs of one more fork at the end."""

    def __init__(self, layers: dict[str, ConvBn], ways: list[list[str]], pool: str) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.ways, self.pool = ways, pool

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for way in self.ways:
            y = averaged(x) if way[0] == "branch_pool" else x
            for name in way:
                y = torch.cat([getattr(self, n)(y) for n in name.split("+")], 1)
            found.append(y)
        return torch.cat([*found, F.max_pool2d(x, 3, 2)] if self.pool == "max" else found, 1)


def small(inputs: int, pool: int) -> Mixed:
    layers = {
        "branch1x1": ConvBn(inputs, 64),
        "branch5x5_1": ConvBn(inputs, 48),
        "branch5x5_2": ConvBn(48, 64, 5, padding=2),
        "branch3x3dbl_1": ConvBn(inputs, 64),
        "branch3x3dbl_2": ConvBn(64, 96, **THREE),
        "branch3x3dbl_3": ConvBn(96, 96, **THREE),
        "branch_pool": ConvBn(inputs, pool),
    }
    doubled = ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]
    return Mixed(layers, [["branch1x1"], ["branch5x5_1", "branch5x5_2"], doubled, ["branch_pool"]], "average")


def halve_small(inputs: int) -> Mixed:
    layers = {
        "branch3x3": ConvBn(inputs, 384, 3, 2),
        "branch3x3dbl_1": ConvBn(inputs, 64),
        "branch3x3dbl_2": ConvBn(64, 96, **THREE),
        "branch3x3dbl_3": ConvBn(96, 96, 3, 2),
    }
    return Mixed(layers, [["branch3x3"], ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]], "max")


def sevens(width: int) -> Mixed:
    layers = {
        "branch1x1": ConvBn(768, 192),
        "branch7x7_1": ConvBn(768, width),
        "branch7x7_2": ConvBn(width, width, **ROW),
        "branch7x7_3": ConvBn(width, 192, **COLUMN),
        "branch7x7dbl_1": ConvBn(768, width),
        "branch7x7dbl_2": ConvBn(width, width, **COLUMN),
        "branch7x7dbl_3": ConvBn(width, width, **ROW),
        "branch7x7dbl_4": ConvBn(width, width, **COLUMN),
        "branch7x7dbl_5": ConvBn(width, 192, **ROW),
        "branch_pool": ConvBn(768, 192),
    }
    single = [f"branch7x7_{n}" for n in (1, 2, 3)]
    doubled = [f"branch7x7dbl_{n}" for n in (1, 2, 3, 4, 5)]
    return Mixed(layers, [["branch1x1"], single, doubled, ["branch_pool"]], "average")


def halve_sevens() -> Mixed:
    layers = {
        "branch3x3_1": ConvBn(768, 192),
        "branch3x3_2": ConvBn(192, 320, 3, 2),
        "branch7x7x3_1": ConvBn(768, 192),
        "branch7x7x3_2": ConvBn(192, 192, **ROW),
        "branch7x7x3_3": ConvBn(192, 192, **COLUMN),
        "branch7x7x3_4": ConvBn(192, 192, 3, 2),
    }
    long = [f"branch7x7x3_{n}" for n in (1, 2, 3, 4)]
    return Mixed(layers, [["branch3x3_1", "branch3x3_2"], long], "max")


def wide(inputs: int) -> Mixed:
    layers = {
        "branch1x1": ConvBn(inputs, 320),
        "branch3x3_1": ConvBn(inputs, 384),
        "branch3x3_2a": ConvBn(384, 384, **SHORT_ROW),
        "branch3x3_2b": ConvBn(384, 384, **SHORT_COLUMN),
        "branch3x3dbl_1": ConvBn(inputs, 448),
        "branch3x3dbl_2": ConvBn(448, 384, **THREE),
        "branch3x3dbl_3a": ConvBn(384, 384, **SHORT_ROW),
        "branch3x3dbl_3b": ConvBn(384, 384, **SHORT_COLUMN),
        "branch_pool": ConvBn(inputs, 192),
    }
    single = ["branch3x3_1", "branch3x3_2a+branch3x3_2b"]
    doubled = ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a+branch3x3dbl_3b"]
    return Mixed(layers, [["branch1x1"], single, doubled, ["branch_pool"]], "average")


class AuxLogits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv0 = ConvBn(768, 128)
        self.conv1 = ConvBn(128, 768, 5)
        self.fc = nn.Linear(768, 1000)


class InceptionV3(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvBn(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = ConvBn(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvBn(32, 64, **THREE)
        self.Conv2d_3b_1x1 = ConvBn(64, 80)
        self.Conv2d_4a_3x3 = ConvBn(80, 192, 3)
        mixed = {
            "5b": small(192, 32),
            "5c": small(256, 64),
            "5d": small(288, 64),
            "6a": halve_small(288),
            "6b": sevens(128),
            "6c": sevens(160),
            "6d": sevens(160),
            "6e": sevens(192),
        }
        for name, module in mixed.items():
            self.add_module(f"Mixed_{name}", module)
        self.AuxLogits = AuxLogits()
        for name, module in {"7a": halve_sevens(), "7b": wide(1280), "7c": wide(2048)}.items():
            self.add_module(f"Mixed_{name}", module)
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        for name, module in self.named_children():
            x = module(x) if name.startswith("Mixed") else x
        return self.fc(x.mean((2, 3)))


class Small(nn.Module):
    """One of each kind of layer whose weights are turned, in the order of the data's way."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=2, bias=False)
        self.depthwise = nn.Conv2d(12, 24, 3, padding=1, groups=12)
        self.slopes = nn.PReLU(24)
        self.up = nn.ConvTranspose2d(24, 6, 2, 2, groups=2)
        self.hidden = nn.Linear(6 * 12 * 10, 16)
        self.last = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        x = self.slopes(self.depthwise(self.grouped(x)))
        return self.last(F.relu(self.hidden(self.up(x).flatten(1))))


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module, to evaluate, with weights and moving statistics of which none is what it starts with.

    Factors near 1 and variances between 0.5 and 1.5 keep the numbers in a range through a hundred layers.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var") or (name.endswith("weight") and tensor.dim() == 1):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif tensor.is_floating_point() and tensor.dim() == 1:
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
        elif tensor.is_floating_point():
            scale = (2 / tensor[0].numel()) ** 0.5
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale)
    return module.eval()

"""Networks as PyTorch users write them, module names included: ResNet-18, MobileNet v2 and an inception module."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any


def _modules() -> tuple[Any, Any]:
    from torch import nn
    from torch.nn import functional

    return nn, functional


def resnet18(classes: int = 1000) -> Any:
    """He et al. 2015, as torchvision names its modules."""
    nn, _ = _modules()

    class BasicBlock(nn.Module):
        def __init__(self, channels: int, filters: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(filters)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(filters)
            self.downsample = None
            if stride != 1 or channels != filters:
                shortcut = nn.Conv2d(channels, filters, 1, stride, bias=False)
                self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(filters))

        def forward(self, x: Any) -> Any:
            out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            out += x if self.downsample is None else self.downsample(x)
            return self.relu(out)

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            channels = 64
            for number, filters in enumerate((64, 128, 256, 512), 1):
                first = BasicBlock(channels, filters, 1 if number == 1 else 2)
                setattr(self, f"layer{number}", nn.Sequential(first, BasicBlock(filters, filters, 1)))
                channels = filters
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(512, classes)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(self.avgpool(x).flatten(1))

    return ResNet()


def mobilenet_v2(classes: int = 1000) -> Any:
    """Sandler et al. 2018, as torchvision names its modules."""
    nn, _ = _modules()

    def conv_bn_relu6(channels: int, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> Any:
        conv = nn.Conv2d(channels, filters, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(filters), nn.ReLU6(inplace=True))

    class InvertedResidual(nn.Module):
        def __init__(self, channels: int, filters: int, stride: int, expand: int) -> None:
            super().__init__()
            inner = channels * expand
            layers = [conv_bn_relu6(channels, inner, 1)] if expand != 1 else []
            layers.append(conv_bn_relu6(inner, inner, 3, stride, inner))
            layers += [nn.Conv2d(inner, filters, 1, bias=False), nn.BatchNorm2d(filters)]
            self.conv = nn.Sequential(*layers)
            self.keeps = stride == 1 and channels == filters

        def forward(self, x: Any) -> Any:
            return x + self.conv(x) if self.keeps else self.conv(x)

    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    features, channels = [conv_bn_relu6(3, 32, 3, 2)], 32
    for expand, filters, count, stride in table:
        for number in range(count):
            features.append(InvertedResidual(channels, filters, stride if number == 0 else 1, expand))
            channels = filters
    features.append(conv_bn_relu6(channels, 1280, 1))
    pool = nn.AdaptiveAvgPool2d(1)
    classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))
    parts = (
        ("features", nn.Sequential(*features)),
        ("pool", pool),
        ("flatten", nn.Flatten()),
        ("classifier", classifier),
    )
    return nn.Sequential(OrderedDict(parts))


def assorted() -> Any:
    """What exporters write in several nodes: a channel shuffle, a gate, gelu, group and layer norm, a pixel shuffle."""
    nn, functional = _modules()

    class Assorted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1)
            self.gate = nn.Sequential(nn.Linear(8, 4), nn.SiLU(), nn.Linear(4, 8), nn.Sigmoid())
            self.group = nn.GroupNorm(4, 8)
            self.up = nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1)
            self.last = nn.Linear(2 * 32 * 32, 5)

        def forward(self, x: Any) -> Any:
            x = functional.gelu(self.stem(x))
            n, c, h, w = x.shape
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
            x = x * self.gate(x.mean((2, 3)))[:, :, None, None]
            first, second = functional.hardswish(self.group(x)).chunk(2, 1)
            x = torch.cat([second, functional.max_pool2d(first, 3, 1, 1)], 1)
            x = functional.pixel_shuffle(functional.leaky_relu(self.up(x), 0.2), 2)
            x = functional.interpolate(functional.avg_pool2d(x, 4, 4), scale_factor=2, mode="bilinear")
            return functional.softmax(self.last(x.view(n, -1)), dim=1)

    import torch

    return Assorted()

"""A kernel larger than what is left of the image."""

import torch
from torch import nn

torch.manual_seed(1)

model = nn.Sequential(
    nn.Conv2d(1, 6, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 120, 5),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(120, 10),
)
model(torch.rand(64, 1, 28, 28))

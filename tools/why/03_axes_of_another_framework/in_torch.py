"""The axes of the image in the order of another framework."""

import torch
from torch import nn

torch.manual_seed(1)

model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2))
model(torch.rand(64, 32, 32, 3))

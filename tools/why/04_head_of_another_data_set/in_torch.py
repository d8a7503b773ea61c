"""Fewer outputs than the data has classes."""

import torch
from torch import nn

torch.manual_seed(1)

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 5))
images, labels = torch.rand(64, 1, 28, 28), torch.randint(10, (64,))
nn.CrossEntropyLoss()(model(images), labels)

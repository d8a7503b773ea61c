"""Flatten forgotten before a dense layer."""

import torch
from torch import nn

torch.manual_seed(1)

model = nn.Sequential(nn.Conv2d(1, 8, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(4), nn.Linear(8 * 7 * 7, 10))
images, labels = torch.rand(64, 1, 28, 28), torch.randint(10, (64,))
nn.CrossEntropyLoss()(model(images), labels)

"""Pixels from 0 to 255 go into the network as they are."""

import torch
from torch import nn

torch.manual_seed(1)

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
images, labels = torch.randint(256, (64, 1, 28, 28)).float(), torch.randint(10, (64,))

loss = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    error = loss(model(images), labels)
    error.backward()
    optimizer.step()
    print(f"loss {error.item():.4f}")

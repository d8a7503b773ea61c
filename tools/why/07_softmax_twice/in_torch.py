"""Softmax of a softmax."""

import torch
from torch import nn

torch.manual_seed(1)

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10), nn.Softmax(1), nn.Softmax(1))
images, labels = torch.rand(64, 1, 28, 28), torch.randint(10, (64,))

loss = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    error = loss(model(images), labels)
    error.backward()
    optimizer.step()
    print(f"loss {error.item():.4f}")

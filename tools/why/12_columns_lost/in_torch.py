"""A stride that does not divide."""

import torch
from torch import nn

torch.manual_seed(1)

model = nn.Sequential(
    nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 1000)
)
images, labels = torch.rand(4, 3, 224, 224), torch.randint(1000, (4,))

loss = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    error = loss(model(images), labels)
    error.backward()
    optimizer.step()
    print(f"loss {error.item():.4f}")

"""A branch that nothing takes."""

import torch
from torch import nn

torch.manual_seed(1)


class TwoPaths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Conv2d(3, 16, 3, padding="same")
        self.left = nn.Conv2d(16, 16, 3, padding="same")
        self.right = nn.Conv2d(16, 16, 1)
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.trunk(x).relu()
        left = self.left(x)  # noqa: F841  # this is the mistake
        right = self.right(x)
        return self.head(right.relu().mean(dim=(2, 3)))


model = TwoPaths()
images, labels = torch.rand(64, 3, 32, 32), torch.randint(10, (64,))

loss = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    error = loss(model(images), labels)
    error.backward()
    optimizer.step()
    print(f"loss {error.item():.4f}")

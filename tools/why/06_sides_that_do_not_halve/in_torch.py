"""A U-Net on images whose side does not halve evenly."""

import torch
from torch import nn

torch.manual_seed(1)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 8, 3, padding="same")
        self.middle = nn.Conv2d(8, 16, 3, padding="same")
        self.bottom = nn.Conv2d(16, 16, 3, padding="same")
        self.head = nn.Conv2d(32, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        down = self.middle(nn.functional.max_pool2d(self.fine(x).relu(), 4)).relu()
        up = nn.functional.interpolate(self.bottom(nn.functional.max_pool2d(down, 2)).relu(), scale_factor=2)
        return self.head(torch.cat([up, down], dim=1))


UNet()(torch.rand(8, 3, 100, 100))

"""PyTorch: a network as Python source with weights beside it, and how it is trained there."""

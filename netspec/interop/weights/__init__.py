"""Weights of other programs, taken into a network: files of PyTorch and Keras, matched layer by layer."""

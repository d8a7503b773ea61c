"""Measuring: a network on netspec and on its peers, side by side, in processes of their own."""

"""Kernels of the CPU backend. Importing a module registers its builders; ``host.configure`` comes before that."""

"""The ops, one file each, with a float64 NumPy reference beside it."""

"""The GPU backend on CuPy. So far it can say whether a GPU could be used, and has no kernels."""

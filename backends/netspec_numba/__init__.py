"""The CPU backend of netspec: kernels compiled for the host by Numba."""

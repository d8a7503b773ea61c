"""The GPU backend: kernels in CUDA C++, run through CuPy, and on the processor for tests."""

"""``python -m netspec_cupy.bench``: everything that is to be proved and measured where there is a GPU, in five stages.

This stands above netspec, as its command line does, and not below it as the rest of the backend: it trains networks.
"""

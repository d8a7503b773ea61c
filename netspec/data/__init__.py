"""The code behind sources and transforms: files, decoding, batching, prefetch."""

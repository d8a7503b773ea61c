"""ONNX: a network as a model that other programs run."""

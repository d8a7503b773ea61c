"""An ONNX model as a spec with weights."""

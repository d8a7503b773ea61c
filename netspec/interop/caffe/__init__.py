"""A network of Caffe, as prototxt, as a spec in dialect caffe."""

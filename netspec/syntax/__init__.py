"""From YAML text to a graph: positioned tree, validation, expansion."""

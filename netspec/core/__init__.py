"""What everything is made of: formulas, tensor types, declarations, registries, and the graph with its builder."""

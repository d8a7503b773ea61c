"""Rewrites from graph to graph: differentiation, folding, fusion, layout, memory."""

"""Graph -> Graph: nothing here changes a graph it is given."""

"""What can be said about a network without running it: cost, memory, receptive field, summary, explanation."""

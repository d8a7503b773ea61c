"""Training: the loop, run directories, checkpoints, resuming, reports."""

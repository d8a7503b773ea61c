"""What a spec can name: ops, losses, optimisers, schedules, initialisers, transforms, sources and metrics."""

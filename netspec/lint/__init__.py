"""The linter: the engine that runs the rules and collects what they find."""

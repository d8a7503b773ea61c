"""The page about a run: what it says (`content`), where that comes from (`collect`), and how it looks (`page`)."""

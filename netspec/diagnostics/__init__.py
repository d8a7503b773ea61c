"""What is wrong, where, and how to say it: spans, diagnostics, their wording and output formats (stdlib only)."""

"""One rule a file. A module's docstring is the rule's manual page; its two examples are the rule's tests."""

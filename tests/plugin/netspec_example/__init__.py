"""Two layers and a rule that netspec does not have."""

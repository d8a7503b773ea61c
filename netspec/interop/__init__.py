"""Exchange with other programs: safetensors and the formats of other frameworks."""

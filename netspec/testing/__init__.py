"""The conformance kit that an op or a backend runs on itself."""

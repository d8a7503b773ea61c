"""What training on many ranks costs: a model of it, and the networks on which it is measured."""

"""Pictures of a network: what is shown, where it stands, and three ways of writing it down."""

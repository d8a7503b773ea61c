<<<<<<< HEAD
"""What can be said of a network without running it: cost, receptive fields, memory, explanations."""
=======
"""What can be said about a network without running it: cost, memory, receptive field, summary, explanation."""
>>>>>>> frame

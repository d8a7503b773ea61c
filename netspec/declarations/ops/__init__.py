<<<<<<< HEAD
"""Everything that can stand in ``layers:``, and the internal ops that training adds. One family a file."""
=======
"""The ops, one file each, with a float64 NumPy reference beside it."""
>>>>>>> frame

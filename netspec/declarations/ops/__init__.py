"""Everything that can stand in ``layers:``, and the internal ops that training adds. One family a file."""

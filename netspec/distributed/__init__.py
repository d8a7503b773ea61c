"""Ranks that train one network together: what they are to each other, what they exchange, and how they fail as one.

A :class:`~netspec.distributed.communicator.Communicator` is all that training knows of it; without ``--distributed`` it
is a world of one rank. Only :mod:`netspec.distributed.mpi` imports MPI.
"""

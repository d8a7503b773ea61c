"""What decides between algorithms: expected times in units of one multiply-add of vectors, that is, in the FMA rate.

The factors were measured on one core of a Zen 5 EPYC (docs/cpu_kernels.md) and are ratios, so that they hold roughly
for processors of other speeds. They are constants, not measurements of the day: a plan can be made again.
"""

from __future__ import annotations

FETCH = 20.0
"""Getting a vector from memory that no cache holds, or putting it there."""

READ_TILE = 15.0
"""Transforming a tile of an image, for each number of the transformed tile: loads, transform, stores."""

WRITE_TILE = 9.0
"""Transforming a tile of products back, for each of its numbers."""

WEIGHT_TILE = 18.0
"""Transforming weights, for each number of the transformed tile, out of the cache and into it."""

TILED = 1.2
"""A multiply-add of transformed numbers, which come from the second-level cache."""

KEPT_SUM = 6.0
"""Storing a vector of transformed sums of a weight gradient, loading it and transforming it back, in a cache."""

SUM_OF_LANES = 6.0
"""Adding up the lanes of a vector."""

TURNED = 40.0
"""Turning sums whose lanes are positions into vectors of channels, for each vector of positions, and storing them."""

PIECE = 1.5
"""Reading one row of a window into its lanes: a load, which mostly straddles two cache lines."""

READ_IN_ORDER = 0.8
"""Fetching a vector of weights where they are read from end to end, in times of ``FETCH``."""

JOINED_SUM = 2.0
"""Storing a vector of partial sums and adding it to the others."""

NARROW = 1.35
"""A multiply-add in a tile of one vector, where loads are what the loop waits for."""

NARROW_TILE = 30.0
"""Each vector of results of a tile of one vector, besides its multiply-adds."""

SUMMED = 20.0
"""Summing up to four terms of a vector at one position, besides their multiply-adds."""

SORTED = 15.0
"""Storing a vector that is made of lanes of others."""

PERMUTED = 4.0
"""Choosing lanes of two vectors in a cache and adding them."""

GATHERED = 2.0
"""A multiply-add of a weight gradient whose second factor has been sorted into a cache."""

SECOND_LOOP = 4000.0
"""Handing a second loop over to the threads."""

LAST_CACHE = 2**22
"""Floats that the last cache is taken to hold; what is larger is fetched each time."""

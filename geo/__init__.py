"""Where it is: coordinate systems, zones, fences, nearest units. Pure code."""

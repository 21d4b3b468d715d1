"""Input for cities: a whole city simulated, and a real one replayed."""

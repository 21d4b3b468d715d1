"""Packs in the large: whole folders of them, reloaded, simulated, tried and shown."""

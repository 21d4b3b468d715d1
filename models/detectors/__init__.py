"""Detectors: one a file, vectorised over datastreams."""

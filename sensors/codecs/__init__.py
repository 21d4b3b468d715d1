"""Codecs: what the city's systems send, from bytes to readings; one format a file."""

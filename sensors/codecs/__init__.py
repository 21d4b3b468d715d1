"""Codecs: what the city's systems send, from bytes to values; one format a file, no input or output of their own.

``sensors.codecs.register`` lists them; ``sensors.codecs.base`` says what each is.
"""

"""Forecasts: what a datastream or a zone will show within the hour, and when it will cross a line.

``profile`` serves every datastream and zone in constant memory; ``trend`` extrapolates levels minute by minute;
``quantiles`` corrects the profile of named zones with trees learned from the archive, ``conformal`` keeps their bands
honest, ``versions`` keeps what was learned; ``line`` turns any forecast into the minutes until a line is crossed.
"""

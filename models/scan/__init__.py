"""Scan statistics: where, and since when, there are more cases than chance would have it.

``spatial`` is the purely spatial scan of SaTScan (Kulldorff, A spatial scan statistic, Communications in Statistics
1997). ``prospective`` is the expectation-based space-time scan (Neill, Expectation-based scan statistics for monitoring
spatial time series data, International Journal of Forecasting 2009) as a stream takes it, hour after hour; ``citybrain
scan`` runs both. Both search circles of nearest neighbours (``circles``, ``search``) and differ in what they expect.
"""

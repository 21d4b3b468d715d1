"""Looking back: what was recorded comes back on the live scenes, in sessions of their own.

A session reads the archive and nothing else. It holds no connection to the store and no producer to the broker, so
there is nothing in it that could notify, dispatch or touch the live picture.
"""

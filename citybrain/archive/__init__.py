"""The archive after it was written: read, checked, repaired, put together into larger files, kept for its time."""

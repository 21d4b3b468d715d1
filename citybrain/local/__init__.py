"""The embedded stack: a one-node broker, a store, and their supervisor."""

"""Tools for those who write packs: tests run, cards written, new packs begun."""

"""``python -m citybrain``: the command line."""

from citybrain.cli import main

main()

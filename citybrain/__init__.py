"""The application: wiring, command line, local stack."""

__version__ = "0.1.0"

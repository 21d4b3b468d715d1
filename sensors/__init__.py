"""How the city speaks: doors, codecs, spool and simulators."""

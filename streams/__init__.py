"""How it flows: Faust agents as thin loops over the pure engine."""

"""Agents: score, city, alerts, archive; each a thin loop."""

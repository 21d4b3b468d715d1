"""Drills: injected scenarios, at speed without people or live with them, graded."""

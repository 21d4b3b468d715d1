"""The planner's page behind its scene: what it reads, what it changes, and the long work that it has done."""

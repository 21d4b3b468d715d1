"""Tests of models.forecast."""

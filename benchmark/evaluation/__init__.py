"""Scores -> hit ranks -> metrics."""

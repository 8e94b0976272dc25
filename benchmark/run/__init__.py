"""Trials to run -> their records."""

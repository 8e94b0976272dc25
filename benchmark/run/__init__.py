"""From the trials to run to their records."""

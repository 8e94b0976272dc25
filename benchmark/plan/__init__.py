"""What was asked for -> the trials to run."""

"""From what a person asks for to the trials to run."""

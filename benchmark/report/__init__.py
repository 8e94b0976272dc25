"""Tables, from records alone: nothing here trains a model or reads a log."""

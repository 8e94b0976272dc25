"""What goes wrong with data, said to a person."""


class DataError(Exception):
    """One sentence: the offending value, the rule it breaks, and the cure."""

"""The error that tells a person what is wrong with data."""


class DataError(Exception):
    """Data are missing, malformed or unfit; the message says the value, the rule and the cure."""

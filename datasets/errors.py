"""The error that tells a person what is wrong with data."""


class DataError(Exception):
    """Data are missing, malformed or unfit; the message is a sentence with value, rule and cure."""

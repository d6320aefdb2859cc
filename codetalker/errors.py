"""The one error that is meant to be read by the person who made the mistake."""


class UserError(Exception):
    """A user's mistake, told in one sentence: what is wrong, the value, what is allowed, what to do."""

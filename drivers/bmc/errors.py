"""What the question to a BMC can end in beside an answer. Pure."""


class Unread(Exception):
    """The BMC told nothing that counts: one sentence. What the machine is, is unknown."""

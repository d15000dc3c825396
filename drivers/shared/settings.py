"""What the settings of all drivers have in common. Pure."""


class SettingsError(ValueError):
    """A setting is missing or wrong; the sentence names it and the cure."""

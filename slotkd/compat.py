"""Patches of the released OpenMMLab stack; see apply()."""


def apply() -> None:
    """Apply every patch that this environment needs."""

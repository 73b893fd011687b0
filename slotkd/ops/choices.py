"""One check, and one message, for options that name a variant."""


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless the option ``name`` has one of ``choices``."""
    if value not in choices:
        raise ValueError(
            f'{name}={value!r} is not one of {", ".join(map(repr, choices))}'
        )

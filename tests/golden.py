"""Reads the private golden arrays and compares with their tolerances."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


def load(shared: Path, name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a golden file."""
    with np.load(shared / 'golden' / 'a' / f'{name}.npz') as arrays:
        return {key: arrays[key] for key in arrays.files}


def prefixed(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    """Return the arrays below a prefix as tensors, the prefix cut off."""
    return {
        key.removeprefix(prefix): torch.as_tensor(value)
        for key, value in arrays.items()
        if key.startswith(prefix)
    }


def assert_near(actual: Tensor, expected, rtol: float = 5e-5) -> None:
    """Compare to rtol times max(1, largest reference of the array)."""
    expected = torch.as_tensor(expected)
    assert actual.shape == expected.shape
    bound = rtol * max(1.0, float(expected.abs().max()))
    assert float((actual.detach() - expected).abs().max()) <= bound


def load_named(
    module: nn.Module, weights: dict[str, Tensor], names: dict[str, str]
) -> None:
    """Load weights strictly after replacing parts of their names."""
    module.load_state_dict(
        {renamed(key, names): value for key, value in weights.items()}
    )


def renamed(key: str, names: dict[str, str]) -> str:
    """Replace the parts of a parameter name."""
    for old, new in names.items():
        key = key.replace(old, new)
    return key


SLOT_ATTENTION_NAMES = {'norm_features': 'norm_tokens', 'mlp.layers': 'mlp'}
PREDICTOR_NAMES = {'self_attn.': ''}
DECODER_NAMES = {f'mlp.layers.{2 * i}': f'layers.{i}' for i in range(8)}

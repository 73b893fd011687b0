"""Loss terms: a function of tensors and a thin module in each file."""

from slotkd.models.losses.feature_distill import FeatureDistillLoss
from slotkd.models.losses.loss_terms import LossTerms, TermSchedule
from slotkd.models.losses.mask_distill import MaskDistillLoss
from slotkd.models.losses.reconstruction import (
    FeatureReconstructionLoss,
    reconstruction_loss,
)
from slotkd.models.losses.slot_contrast import (
    SlotContrastLoss,
    slot_contrast_loss,
)
from slotkd.models.losses.slot_match import SlotMatchLoss, slot_match_loss
from slotkd.models.losses.slot_regression import SlotRegressionLoss
from slotkd.models.losses.ssync import SSyncLoss, ssync_loss
from slotkd.models.losses.ssync_result import SSyncResult

__all__ = [
    'FeatureDistillLoss',
    'FeatureReconstructionLoss',
    'LossTerms',
    'MaskDistillLoss',
    'SSyncLoss',
    'SSyncResult',
    'SlotContrastLoss',
    'SlotMatchLoss',
    'SlotRegressionLoss',
    'TermSchedule',
    'reconstruction_loss',
    'slot_contrast_loss',
    'slot_match_loss',
    'ssync_loss',
]

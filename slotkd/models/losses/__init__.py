"""Loss terms: a function of tensors and a thin module in each file."""

from slotkd.models.losses.feature_distill import (
    FeatureDistillLoss,
    feature_distill_loss,
)
from slotkd.models.losses.loss_terms import LossTerms, TermSchedule
from slotkd.models.losses.mask_distill import (
    MaskDistillLoss,
    mask_distill_loss,
)
from slotkd.models.losses.query_contrast import (
    QueryContrastLoss,
    query_contrast_loss,
)
from slotkd.models.losses.query_diagnostics import query_diagnostics
from slotkd.models.losses.query_distill import (
    QueryDistillLoss,
    query_distill_loss,
)
from slotkd.models.losses.query_pairs import QueryAssociation
from slotkd.models.losses.query_predictions import (
    QueryClassLoss,
    QueryMaskLoss,
    query_class_loss,
    query_mask_loss,
)
from slotkd.models.losses.query_relation import (
    QueryRelationLoss,
    query_relation_loss,
)
from slotkd.models.losses.reconstruction import (
    FeatureReconstructionLoss,
    reconstruction_loss,
)
from slotkd.models.losses.slot_contrast import (
    SlotContrastLoss,
    slot_contrast_loss,
)
from slotkd.models.losses.slot_match import (
    SlotMatchLoss,
    align_slots,
    slot_match_loss,
)
from slotkd.models.losses.slot_regression import (
    SlotRegressionLoss,
    slot_regression_loss,
)
from slotkd.models.losses.srl_contrast import (
    SRLContrastLoss,
    srl_contrast_loss,
)
from slotkd.models.losses.srl_deblur import SRLDeblurLoss, deblur_loss
from slotkd.models.losses.srl_denoise import SRLDenoiseLoss, denoise_loss
from slotkd.models.losses.srl_regularization import (
    SRLRegularizationLoss,
    slot_regularization_loss,
)
from slotkd.models.losses.ssync import SSyncLoss, ssync_loss
from slotkd.models.losses.ssync_result import SSyncResult

__all__ = [
    'FeatureDistillLoss',
    'FeatureReconstructionLoss',
    'LossTerms',
    'MaskDistillLoss',
    'QueryAssociation',
    'QueryClassLoss',
    'QueryContrastLoss',
    'QueryDistillLoss',
    'QueryMaskLoss',
    'QueryRelationLoss',
    'SRLContrastLoss',
    'SRLDeblurLoss',
    'SRLDenoiseLoss',
    'SRLRegularizationLoss',
    'SSyncLoss',
    'SSyncResult',
    'SlotContrastLoss',
    'SlotMatchLoss',
    'SlotRegressionLoss',
    'TermSchedule',
    'align_slots',
    'deblur_loss',
    'denoise_loss',
    'feature_distill_loss',
    'mask_distill_loss',
    'query_class_loss',
    'query_contrast_loss',
    'query_diagnostics',
    'query_distill_loss',
    'query_mask_loss',
    'query_relation_loss',
    'reconstruction_loss',
    'slot_contrast_loss',
    'slot_match_loss',
    'slot_regression_loss',
    'slot_regularization_loss',
    'srl_contrast_loss',
    'ssync_loss',
]

"""Loss terms: a function of tensors and a thin module in each file."""

from slotkd.models.losses.attention_distill import (
    AttentionCKALoss,
    AttentionSplatLoss,
    OffsetRangeLoss,
    attention_cka_loss,
    offset_range_loss,
    splat_attention,
)
from slotkd.models.losses.channel_distill import (
    ChannelDistillLoss,
    channel_distill_loss,
)
from slotkd.models.losses.class_relation import (
    ClassRelationLoss,
    class_relation_loss,
)
from slotkd.models.losses.feature_distill import (
    FeatureDistillLoss,
    feature_distill_loss,
)
from slotkd.models.losses.logit_distill import (
    LogitDistillLoss,
    logit_distill_loss,
)
from slotkd.models.losses.loss_terms import LossTerms, TermSchedule
from slotkd.models.losses.map_distill import MapDistillLoss
from slotkd.models.losses.map_pair import MapPair
from slotkd.models.losses.mask_distill import (
    MaskDistillLoss,
    mask_distill_loss,
)
from slotkd.models.losses.pairwise_distill import (
    PairwiseDistillLoss,
    pairwise_distill_loss,
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
from slotkd.models.losses.relation_distill import (
    ObjectRelationLoss,
    object_relation_loss,
)
from slotkd.models.losses.seg_ssync import SegSSyncLoss, seg_ssync_loss
from slotkd.models.losses.segmentation import (
    MaskSegmentationLoss,
    PseudoLabelLoss,
    hard_pixel_cross_entropy,
    segmentation_loss,
    soft_jaccard_loss,
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
    'AttentionCKALoss',
    'AttentionSplatLoss',
    'ChannelDistillLoss',
    'ClassRelationLoss',
    'FeatureDistillLoss',
    'FeatureReconstructionLoss',
    'LogitDistillLoss',
    'LossTerms',
    'MapDistillLoss',
    'MapPair',
    'MaskDistillLoss',
    'MaskSegmentationLoss',
    'ObjectRelationLoss',
    'OffsetRangeLoss',
    'PairwiseDistillLoss',
    'PseudoLabelLoss',
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
    'SegSSyncLoss',
    'SlotContrastLoss',
    'SlotMatchLoss',
    'SlotRegressionLoss',
    'TermSchedule',
    'align_slots',
    'attention_cka_loss',
    'channel_distill_loss',
    'class_relation_loss',
    'deblur_loss',
    'denoise_loss',
    'feature_distill_loss',
    'hard_pixel_cross_entropy',
    'logit_distill_loss',
    'mask_distill_loss',
    'object_relation_loss',
    'offset_range_loss',
    'pairwise_distill_loss',
    'query_class_loss',
    'query_contrast_loss',
    'query_diagnostics',
    'query_distill_loss',
    'query_mask_loss',
    'query_relation_loss',
    'reconstruction_loss',
    'seg_ssync_loss',
    'segmentation_loss',
    'slot_contrast_loss',
    'slot_match_loss',
    'slot_regression_loss',
    'slot_regularization_loss',
    'soft_jaccard_loss',
    'splat_attention',
    'srl_contrast_loss',
    'ssync_loss',
]

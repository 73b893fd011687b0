"""Mask propagation: identities, gated deformable memory, mask decoder."""

from slotkd.models.propagation.deformable_read import (
    DeformableRead,
    Reading,
    attend,
)
from slotkd.models.propagation.gated_deform import (
    FrameProjection,
    GatedDeformLayer,
)
from slotkd.models.propagation.gdpm_options import GdpmOptions
from slotkd.models.propagation.identity_bank import (
    IdentityBank,
    one_hot_masks,
)
from slotkd.models.propagation.mask_decoder import MaskDecoder
from slotkd.models.propagation.memory_policy import (
    MemoryPolicy,
    join_memories,
    pick_frames,
)
from slotkd.models.propagation.offset_network import OffsetNetwork
from slotkd.models.propagation.position_bias import LogPositionBias
from slotkd.models.propagation.propagator import (
    MaskPropagator,
    PropagatedFrame,
)
from slotkd.models.propagation.self_propagation import SelfPropagation
from slotkd.models.propagation.window_read import WindowRead

__all__ = [
    'DeformableRead',
    'FrameProjection',
    'GatedDeformLayer',
    'GdpmOptions',
    'IdentityBank',
    'LogPositionBias',
    'MaskDecoder',
    'MaskPropagator',
    'MemoryPolicy',
    'OffsetNetwork',
    'PropagatedFrame',
    'Reading',
    'SelfPropagation',
    'WindowRead',
    'attend',
    'join_memories',
    'one_hot_masks',
    'pick_frames',
]

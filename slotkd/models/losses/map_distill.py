"""Feature regression between maps of two segmentors, after projection."""

from einops import rearrange
from torch import Tensor, nn

from slotkd.models.losses.feature_distill import feature_distill_loss
from slotkd.models.losses.map_pair import MapPair
from slotkd.registry import MODELS
from slotkd.structures import SegOutput


@MODELS.register_module()
class MapDistillLoss(nn.Module):
    """:func:`feature_distill_loss` between one map of each of two records.

    Args:
        source: See :class:`MapPair`, as are the others.
        student_index: Level of the student.
        teacher_index: Level, or map, of the teacher.
        student_channels: Channels of the student's map, where they differ.
        teacher_channels: Channels of the teacher's map.

    Raises:
        ValueError: If the maps do not fit.

    Source:
        Romero et al., FitNets, ICLR 2015, arXiv:1412.6550, Eq. (3), with a
        1x1 convolution as the regressor.
    """

    def __init__(
        self,
        source: str = 'feats',
        *,
        student_index: int = -1,
        teacher_index: int = -1,
        student_channels: int | None = None,
        teacher_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.pair = MapPair(
            source,
            student_index,
            teacher_index,
            student_channels,
            teacher_channels,
        )
        self.fields = (self.pair.student_field,)
        self.teacher_fields = (self.pair.teacher_field,)

    def forward(self, student: SegOutput, teacher: SegOutput) -> Tensor:
        """Return the loss between two records."""
        ours, theirs = (
            rearrange(maps, 'b c h w -> b 1 (h w) c')
            for maps in self.pair(student, teacher)
        )
        return feature_distill_loss(ours, theirs)

"""Channel-wise distillation: where in the image each channel is strong."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.logit_distill import check_temperature
from slotkd.models.losses.map_pair import MapPair
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import SegOutput


def channel_distill_loss(
    student_maps: Float[Tensor, 'B C h w'],
    teacher_maps: Float[Tensor, 'B C h w'],
    *,
    temperature: float | int = 4.0,
) -> Float[Tensor, '']:
    """Mean divergence KL(teacher || student) over pixels in each channel.

    Each channel of each image is a softmax over its pixels, divided by the
    temperature before; the mean over channels and images is multiplied by
    its square. A constant added to a channel changes nothing. The teacher is
    detached here.

    Args:
        student_maps: Logits or features of the student.
        teacher_maps: The same of the teacher, channel by channel.
        temperature: Above 1 the weaker pixels count more.

    Returns:
        A value >= 0; 0, with a zero gradient, for equal maps.

    Source:
        Shu et al., Channel-wise Knowledge Distillation for Dense Prediction,
        ICCV 2021, arXiv:2011.13256, Eq. (5) and (6); temperature of
        irfanICMLL/TorchDistiller@1d8a7b5 for logits.
    """
    student, teacher = (
        (at_least_fp32(maps.flatten(2)) / temperature).log_softmax(dim=2)
        for maps in (student_maps, teacher_maps.detach())
    )
    divergence = F.kl_div(student, teacher, reduction='none', log_target=True)
    return divergence.sum(dim=2).mean() * temperature**2


@MODELS.register_module()
class ChannelDistillLoss(nn.Module):
    """:func:`channel_distill_loss` between one map of each of two records.

    Args:
        source: See :class:`MapPair`, as are the next four.
        temperature: See :func:`channel_distill_loss`.
        student_index: Level of the student.
        teacher_index: Level, or map, of the teacher.
        student_channels: Channels of the student's map, where they differ.
        teacher_channels: Channels of the teacher's map.

    Raises:
        ValueError: If the maps do not fit, or the temperature is not above
            0.

    Source:
        Shu et al., arXiv:2011.13256.
    """

    def __init__(
        self,
        source: str = 'logits',
        temperature: float | int = 4.0,
        *,
        student_index: int = -1,
        teacher_index: int = -1,
        student_channels: int | None = None,
        teacher_channels: int | None = None,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        self.temperature = temperature
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
        return channel_distill_loss(
            *self.pair(student, teacher), temperature=self.temperature
        )

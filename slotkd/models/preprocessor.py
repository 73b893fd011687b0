"""Stacks the clips of a batch and normalises their pixels."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from slotkd.registry import MODELS


@MODELS.register_module()
class VideoDataPreprocessor(BaseDataPreprocessor):
    """Turn clips (T, 3, H, W) into one normalised batch (B, T, 3, H, W).

    Pixels are (value - mean) / std, channel by channel, in fp32, on the
    model's device. The statistics are not part of the state dict.

    Args:
        mean: Of each channel, in units of 0 to 255. Default: ImageNet, RGB.
        std: Like ``mean``.
        bgr_to_rgb: Whether the channels arrive as blue, green, red; the
            statistics belong to the order after the swap.

    Source:
        Own design; mmengine's ``ImgDataPreprocessor`` for clips.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float | int] = (123.675, 116.28, 103.53),
        std: Sequence[float | int] = (58.395, 57.12, 57.375),
        *,
        bgr_to_rgb: bool = False,
    ) -> None:
        super().__init__()
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(
                'mean and std need three values, std above 0; got mean='
                f'{tuple(mean)} and std={tuple(std)}'
            )
        self.bgr_to_rgb = bgr_to_rgb
        for name, values in (('mean', mean), ('std', std)):
            statistic = torch.tensor(values, dtype=torch.float32)
            self.register_buffer(
                name, statistic.view(3, 1, 1), persistent=False
            )

    def forward(self, data: dict, training: bool = False) -> dict:
        """Stack and normalise.

        Args:
            data: ``inputs``, a list of clips or one stacked tensor, of any
                number type; perhaps ``data_samples``.
            training: Makes no difference.

        Returns:
            ``inputs`` (B, T, 3, H, W) and ``data_samples`` (or None).

        Raises:
            ValueError: If a clip is no (T, 3, H, W) or the shapes differ.
        """
        data = self.cast_data(data)
        samples = data.get('data_samples')
        clips = list(data['inputs'])
        names = _video_ids(samples, len(clips))
        for clip, name in zip(clips, names, strict=True):
            if clip.ndim != 4 or clip.shape[1] != 3:
                raise ValueError(
                    f'video {name}: a clip must be (T, 3, H, W), got '
                    f'{tuple(clip.shape)}'
                )
            if clip.shape != clips[0].shape:
                raise ValueError(
                    'clips of one batch need one shape, got '
                    f'{tuple(clips[0].shape)} (video {names[0]}) and '
                    f'{tuple(clip.shape)} (video {name})'
                )
        inputs = torch.stack(clips).float()
        if self.bgr_to_rgb:
            inputs = inputs.flip(2)
        return dict(
            inputs=(inputs - self.mean) / self.std, data_samples=samples
        )


def _video_ids(samples: Sequence | None, count: int) -> list[str]:
    """Name the clips by their samples, or by their place in the batch."""
    if samples is None:
        samples = [None] * count
    if len(samples) != count:
        raise ValueError(
            f'the batch holds {count} clips and {len(samples)} data samples'
        )
    return [
        str(getattr(sample, 'video_id', f'#{index}'))
        for index, sample in enumerate(samples)
    ]

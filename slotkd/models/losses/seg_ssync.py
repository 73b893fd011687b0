"""SSync between two class maps of a segmentor."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.losses.map_pair import pick_map, resize_map
from slotkd.models.losses.ssync import ssync_loss
from slotkd.models.losses.ssync_result import SSyncResult
from slotkd.ops.choices import check_choice
from slotkd.registry import MODELS
from slotkd.structures import SegOutput

MAPS = ('logits', 'aux_logits', 'peer_logits')


def seg_ssync_loss(
    first_logits: Float[Tensor, 'B V h w'],
    second_logits: Float[Tensor, 'B _ p q'],
    *,
    n_bd: int = 1,
    n_agree: int = 1,
    n_nbd: int = 1,
    selection: str = 'count',
    entropy_share: float | None = None,
    swaps: str = 'keep',
    targets: str = 'hard',
    reversed_roles: bool = False,
) -> SSyncResult:
    """Let one class map teach boundaries and learn interiors of another.

    :func:`slotkd.models.losses.ssync_loss` with classes in the place of
    slots and single images in the place of clips: the first map is what
    attention is there, the second what masks are. Both are resized to the
    finer of the two grids. Classes are never merged. No label is read, so
    padding counts like the image.

    Args:
        first_logits: Class scores whose boundaries teach the second map.
        second_logits: Class scores whose interiors teach the first.
        n_bd: See :func:`~slotkd.models.losses.ssync_loss`, as are the
            following.
        n_agree: Equal neighbours that a boundary pixel needs.
        n_nbd: Differing neighbours that an interior pixel stays below.
        selection: How pixels are chosen.
        entropy_share: Share of the pixels, for ``selection='entropy'``.
        swaps: What to do where the maps would trade labels.
        targets: ``'hard'`` labels or ``'soft'`` probabilities.
        reversed_roles: Whether the maps change places.

    Returns:
        Losses, summed over classes and in [0, 2], labels and sets.

    Raises:
        ValueError: If the numbers of classes differ or an option is unknown.

    Source:
        Moon and Heo, Selective synergistic learning, arXiv:2606.15527; its
        use between class maps is ours.
    """
    counts = first_logits.shape[1], second_logits.shape[1]
    if counts[0] != counts[1] or counts[0] < 2:
        raise ValueError(
            'SSync needs two maps of the same two or more classes, got '
            f'{counts[0]} and {counts[1]} channels'
        )
    size = max(first_logits.shape[2:], second_logits.shape[2:])
    maps = [
        resize_map(logits, size).flatten(2).unsqueeze(1)
        for logits in (first_logits, second_logits)
    ]
    return ssync_loss(
        maps[0],
        maps[1],
        (size[0], size[1]),
        iou_thr=1.0,
        merge='none',
        temporal=False,
        n_bd=n_bd,
        n_agree=n_agree,
        n_nbd=n_nbd,
        selection=selection,
        entropy_share=entropy_share,
        swaps=swaps,
        targets=targets,
        reversed_roles=reversed_roles,
        reduction='sum_slots',
    )


@MODELS.register_module()
class SegSSyncLoss(nn.Module):
    """:func:`seg_ssync_loss` between two maps of a record of a segmentor.

    The maps are ``'logits'`` of the decode head, ``'aux_logits'`` of an
    auxiliary head, or ``'peer_logits'`` of a second student. The two parts
    are logged apart, next to the scalars of
    :attr:`~slotkd.models.losses.SSyncResult.stats`.

    Args:
        first: Map whose boundaries teach the second.
        second: Map whose interiors teach the first.
        aux_index: Which auxiliary head, where the model has several.
        terms: Which of the boundary term ``'bd'`` and the interior term
            ``'nbd'`` are trained with.
        n_bd: See :func:`seg_ssync_loss`, as are the following.
        n_agree: Equal neighbours that a boundary pixel needs.
        n_nbd: Differing neighbours that an interior pixel stays below.
        selection: How pixels are chosen.
        entropy_share: Share of the pixels, for ``selection='entropy'``.
        swaps: What to do where the maps would trade labels.
        targets: ``'hard'`` labels or ``'soft'`` probabilities.
        reversed_roles: Whether the maps change places.

    Raises:
        ValueError: If the maps are unknown or the same, ``terms`` holds
            neither, or an option is unknown.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527.
    """

    def __init__(
        self,
        first: str = 'logits',
        second: str = 'aux_logits',
        *,
        aux_index: int = -1,
        terms: tuple[str, ...] | list[str] = ('bd', 'nbd'),
        n_bd: int = 1,
        n_agree: int = 1,
        n_nbd: int = 1,
        selection: str = 'count',
        entropy_share: float | None = None,
        swaps: str = 'keep',
        targets: str = 'hard',
        reversed_roles: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (('first', first), ('second', second)):
            check_choice(name, value, MAPS)
        if first == second:
            raise ValueError(f'first and second are both {first!r}')
        if not terms or not set(terms) <= {'bd', 'nbd'}:
            raise ValueError(
                f"terms must hold 'bd', 'nbd' or both, got {tuple(terms)}"
            )
        self.fields = (first, second)
        self.aux_index = aux_index
        self.parts = tuple(terms)
        self.loss = functools.partial(
            seg_ssync_loss,
            n_bd=n_bd,
            n_agree=n_agree,
            n_nbd=n_nbd,
            selection=selection,
            entropy_share=entropy_share,
            swaps=swaps,
            targets=targets,
            reversed_roles=reversed_roles,
        )
        # An unknown option is an error here, not in the first iteration.
        self.loss(torch.zeros(1, 2, 1, 1), torch.zeros(1, 2, 1, 1))

    def forward(self, output: SegOutput) -> dict[str, Tensor]:
        """Return the two parts and the scalars to log."""
        result = self.loss(*(self._map(output, name) for name in self.fields))
        losses = dict(bd=result.boundary, nbd=result.interior)
        return {part: losses[part] for part in self.parts} | result.stats

    def _map(self, output: SegOutput, name: str) -> Tensor:
        index = self.aux_index if name == 'aux_logits' else -1
        return pick_map(output, name, index, 'student')

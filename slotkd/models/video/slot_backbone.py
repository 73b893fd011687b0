"""A slot video model as the backbone of a segmentor."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.backbones import FreezableBackbone, optional_weights
from slotkd.models.video.load_weights import load_slot_model
from slotkd.ops.choices import check_choice
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput

# Name of a map -> how many channels a model gives it.
CHANNELS: dict[str, Callable[[Any], int]] = {
    'feats': lambda model: model.backbone.feat_dim,
    'mixed': lambda model: model.slot_dim,
    'recon': lambda model: model.decoder.feat_dim,
    'masks': lambda model: model.num_slots,
}
# Not part of a backbone, whatever the model's config says.
TRAINING_KEYS = ('losses', 'data_preprocessor', 'init_cfg')


@MODELS.register_module()
class SlotBackbone(FreezableBackbone):
    """Maps of a slot model on its patch grid, for any decode head.

    Images (B, 3, H, W) give one map (B, C, h, w) for each name in ``out``:

    - ``'feats'``: patch features of the model's own backbone; slots are not
      computed where no other map is asked for.
    - ``'mixed'``: the slots of a patch, averaged with its masks.
    - ``'recon'``: the features that the decoder draws.
    - ``'masks'``: the share of each slot at each patch, one channel a slot;
      the decoder's masks or the corrector's attention, as the model's
      ``predict_from`` says.

    An image whose size is no multiple of the patch size is enlarged
    bilinearly to the next one, so that the grid spans the whole image
    whatever its size.

    Built below any scope, the slot model's own types are slotkd's. The file
    may be a run of a slot model or of a distiller, an extracted student, a
    converted checkpoint or a published one, see
    :func:`slotkd.models.video.load_weights.read_slot_weights`.

    Args:
        model: Config or module of a
            :class:`slotkd.models.video.SlotVideoModel`; its losses and its
            preprocessor are left out.
        out: Name of the map, or names of the maps in their order.
        checkpoint: Path or URL of the slot model's weights.
        frozen: Keep the whole slot model in eval mode, without gradients.
            Otherwise it trains as its own config says (a DinoViT is frozen
            there unless that says ``frozen=False``).
        num_frames: Frames T of a clip. The batch then holds B * T images,
            those of a clip in a row, and slots run over time.
        out_channels: Channels of the map or maps, checked where given.
        allow_random: Accept random weights although frozen.

    Raises:
        ValueError: If a map is unknown, its channels are others than told,
            two checkpoints are named, or the batch holds no whole clips.

    Source:
        Own design, for the interface of mmsegmentation 1.x backbones.
    """

    weights_hint = 'give checkpoint='
    model: Any  # a SlotVideoModel, or what looks like one

    def __init__(
        self,
        model: dict | nn.Module,
        out: str | Sequence[str] = 'mixed',
        *,
        checkpoint: str | None = None,
        frozen: bool = True,
        num_frames: int = 1,
        out_channels: int | Sequence[int] | None = None,
        allow_random: bool = False,
    ) -> None:
        super().__init__(
            frozen, allow_random, init_cfg=_init_cfg(model, checkpoint)
        )
        self.out = (out,) if isinstance(out, str) else tuple(out)
        for name in self.out:
            check_choice('out', name, tuple(CHANNELS))
        if not self.out or num_frames < 1:
            raise ValueError(
                'SlotBackbone needs a map in out and num_frames >= 1, got '
                f'out={self.out} and num_frames={num_frames}'
            )
        self.num_frames = num_frames
        self.model = _build(model)
        self.out_channels = tuple(CHANNELS[n](self.model) for n in self.out)
        _check_channels(self.out, self.out_channels, out_channels)
        self.freeze()

    def forward(
        self, images: Float[Tensor, 'B 3 H W']
    ) -> tuple[Float[Tensor, 'B _ h w'], ...]:
        """Return the maps in the order of ``out``."""
        if len(images) % self.num_frames:
            raise ValueError(
                f'a batch of {len(images)} images holds no whole clips of '
                f'num_frames={self.num_frames}'
            )
        images = fit_to_patches(images, self.model.backbone.patch_size)
        clips = images.unflatten(0, (-1, self.num_frames))
        with self.computing():
            if set(self.out) == {'feats'}:
                feats, grid = self.model.encode(clips)
                tokens = [feats] * len(self.out)
            else:
                record = self.model.run(clips, self._fields())
                tokens = [self._tokens(name, record) for name in self.out]
                grid = record.grid
        return tuple(
            rearrange(values, 'b t (h w) c -> (b t) c h w', h=grid[0])
            for values in tokens
        )

    def freeze(self) -> None:
        """Freeze the model, or of a trained one what no map depends on."""
        super().freeze()
        used = self._used_parts()
        # The slot model's backbone insists on its weights itself.
        self.needed = frozenset(
            name
            for name in self.needed
            if name.split('.')[1] in used - {'backbone'}
        )
        for name, part in self.model.named_children():
            if name not in used:
                part.requires_grad_(False)

    def load_weights(
        self, checkpoint: str | Path, prefix: str = '', *, trust: bool = False
    ) -> None:
        """Load the slot model's weights strictly; no code of a file is run.

        Args:
            checkpoint: Path or URL.
            prefix: Beginning of the wanted names; a distiller's student is
                found without.
            trust: Makes no difference.
        """
        load_slot_model(self.model, checkpoint, prefix)
        self.loaded |= self.state_dict().keys()

    def optional_weights(self) -> frozenset[str]:
        """Names of the weights that the slot model can do without."""
        if not hasattr(self, 'model'):
            return frozenset()
        return frozenset(f'model.{n}' for n in optional_weights(self.model))

    def _fields(self) -> frozenset[str]:
        """Return the fields of the record that the maps are made from."""
        fields = {'recon'} & set(self.out)
        if {'mixed', 'masks'} & set(self.out):
            fields.add(self.model.predict_from)
        return frozenset(fields)

    def _tokens(
        self, name: str, record: SlotOutput
    ) -> Float[Tensor, 'B T N C']:
        if name == 'feats':
            return record.feats
        if name == 'recon':
            assert record.recon is not None
            return record.recon
        masks = getattr(record, self.model.predict_from).transpose(2, 3)
        if name == 'masks':
            return masks
        return masks @ record.slots.to(masks.dtype)

    def _used_parts(self) -> frozenset[str]:
        """Return the names of the parts that the maps depend on."""
        used = {'backbone'}
        if set(self.out) != {'feats'}:
            used |= {'neck', 'initializer', 'corrector'}
            if self.num_frames > 1:
                used.add('predictor')
            if {'recon', 'masks'} & self._fields():
                used.add('decoder')
        return frozenset(used)


def fit_to_patches(
    images: Float[Tensor, 'B 3 H W'], patch_size: int
) -> Float[Tensor, 'B 3 P Q']:
    """Enlarge images to the next whole number of patches.

    Args:
        images: Images.
        patch_size: Side of a patch in pixels.

    Returns:
        The images, resized bilinearly without corner alignment; those that
        fit already as they are.
    """
    size = [-(-side // patch_size) * patch_size for side in images.shape[2:]]
    if size == list(images.shape[2:]):
        return images
    return F.interpolate(images, size, mode='bilinear')


def _build(model: dict | nn.Module) -> nn.Module:
    if isinstance(model, nn.Module):
        return model
    config = {k: v for k, v in model.items() if k not in TRAINING_KEYS}
    return MODELS.build(dict(_scope_='slotkd') | config)


def _init_cfg(model: dict | nn.Module, checkpoint: str | None) -> dict | None:
    """Return the one place that the weights come from."""
    own = model.get('init_cfg') if isinstance(model, dict) else None
    if own is None:
        if checkpoint is None:
            return None
        return dict(type='Pretrained', checkpoint=checkpoint)
    if checkpoint is not None:
        raise ValueError(
            f'SlotBackbone has two checkpoints: {checkpoint} and its '
            f"model's init_cfg {own.get('checkpoint', own)}"
        )
    return dict(own)


def _check_channels(
    out: tuple[str, ...],
    found: tuple[int, ...],
    told: int | Sequence[int] | None,
) -> None:
    if told is None:
        return
    expected = (told,) if isinstance(told, int) else tuple(told)
    if expected != found:
        raise ValueError(
            f'out_channels is {expected}, but the maps {out} of the slot '
            f'model have {found}'
        )

"""The slot video model: wires SAVi's roles and returns a record."""

from collections.abc import Iterable
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from mmengine.model import BaseModel
from torch import Tensor, nn

from slotkd.models.losses.loss_terms import LossTerms
from slotkd.models.video.load_weights import init_from_file
from slotkd.ops.choices import check_choice
from slotkd.ops.masks import hard_masks
from slotkd.ops.over_time import chunked
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput, SlotState, VideoDataSample

DECODED = frozenset({'recon', 'mask_logits', 'masks'})
MODES = ('tensor', 'loss', 'predict')
PREDICTED = ('masks', 'attn')


@MODELS.register_module()
class SlotVideoModel(BaseModel):
    """Follow objects through a video with recurrent slot attention.

    ``backbone`` and ``neck`` turn each frame into tokens; ``initializer``
    gives the first slots, ``corrector`` fits them to a frame, ``predictor``
    carries them to the next, ``decoder`` draws features and masks from the
    corrected slots.

    Args:
        backbone: Config or module, (B, 3, H, W) to a feature map.
        neck: Config or module, features to tokens.
        initializer: Config or module, batch size to slots.
        corrector: Config or module, see
            :class:`slotkd.models.slots.SlotAttention`.
        decoder: Config or module, slots of a frame to features and masks.
        predictor: Config or module; None starts each frame from the slots
            of the frame before.
        num_iters_first: Corrector iterations on the first frame.
        num_iters: Corrector iterations on later frames.
        losses: Terms for :class:`slotkd.models.losses.LossTerms` that read
            this model's record.
        predict_from: ``'masks'`` or ``'attn'``: the map that predictions
            are the argmax of.
        keep_maps: Also put ``attn_logits`` and ``mask_logits`` (T, K, N)
            and ``grid`` on the predicted samples, for diagnostics.
        frames_per_pass: Most frames that backbone and decoder see at once
            where no gradient is kept; bounds memory on long videos.
        data_preprocessor: Config of the preprocessor.
        init_cfg: ``dict(type='Pretrained', checkpoint=path_or_url)``, see
            :meth:`init_weights`.

    Raises:
        ValueError: If widths, counts or sizes of the parts do not fit.

    Source:
        Kipf et al., SAVi, ICLR 2022, arXiv:2111.12594; Manasyan et al.,
        SlotContrast, CVPR 2025, arXiv:2412.14295.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        neck: dict | nn.Module,
        *,
        initializer: dict | nn.Module,
        corrector: dict | nn.Module,
        decoder: dict | nn.Module,
        predictor: dict | nn.Module | None = None,
        num_iters_first: int = 3,
        num_iters: int = 2,
        losses: dict[str, dict[str, Any]] | None = None,
        predict_from: str = 'masks',
        keep_maps: bool = False,
        frames_per_pass: int = 32,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        check_choice('predict_from', predict_from, PREDICTED)
        for name, count in (
            ('num_iters_first', num_iters_first),
            ('num_iters', num_iters),
            ('frames_per_pass', frames_per_pass),
        ):
            if count < 1:
                raise ValueError(f'{name} must be at least 1, got {count}')
        self.backbone = _build(backbone)
        self.neck = _build(neck)
        self.initializer = _build(initializer)
        self.corrector = _build(corrector)
        self.predictor = None if predictor is None else _build(predictor)
        self.decoder = _build(decoder)
        self.num_iters_first = num_iters_first
        self.num_iters = num_iters
        self.losses = LossTerms(losses or {}, ('output',))
        self.predict_from = predict_from
        self.keep_maps = keep_maps
        self.frames_per_pass = frames_per_pass
        self._check_widths()

    @property
    def num_slots(self) -> int:
        """Number of slots K."""
        return self.initializer.num_slots

    @property
    def slot_dim(self) -> int:
        """Width of a slot D."""
        return self.initializer.slot_dim

    def init_weights(self) -> None:
        """Load the file that ``init_cfg`` names, or initialise the parts.

        The file may be a published checkpoint, see
        :func:`slotkd.models.video.load_weights.read_slot_weights`; it loads
        strictly, and the parts then load no files of their own.
        """
        if init_from_file(self):
            self._is_init = True
        else:
            super().init_weights()

    def forward(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[VideoDataSample] | None = None,
        mode: str = 'tensor',
    ) -> SlotOutput | dict[str, Tensor] | list[VideoDataSample]:
        """Return the record, the losses or the predictions of clips.

        Args:
            inputs: Normalised frames.
            data_samples: One sample for each clip, for ``'predict'``.
            mode: ``'tensor'``, ``'loss'`` or ``'predict'``.
        """
        check_choice('mode', mode, MODES)
        if mode == 'tensor':
            return self.run(inputs)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        return self.predict(inputs, data_samples)

    def loss(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[VideoDataSample] | None = None,
    ) -> dict[str, Tensor]:
        """Return the loss terms of clips; truth is not read."""
        if not self.losses.losses:
            raise ValueError(
                'SlotVideoModel has no loss terms to train with; set losses'
            )
        return self.record_and_losses(inputs, data_samples)[1]

    def record_and_losses(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[VideoDataSample] | None = None,
        fields: Iterable[str] = (),
    ) -> tuple[SlotOutput, dict[str, Tensor]]:
        """Return the record of a training step and the model's own losses.

        Args:
            inputs: Normalised frames.
            data_samples: Not read; a distiller hands them to any student.
            fields: What the caller reads, beside what the losses read.
        """
        output = self.run(inputs, self.losses.fields('output') | set(fields))
        return output, self.losses(output)

    def predict(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[VideoDataSample] | None = None,
    ) -> list[VideoDataSample]:
        """Add each pixel's slot to the samples.

        Maps are resized bilinearly, without corner alignment, to the size
        of the true masks where a sample has them, else to the input's; then
        the strongest slot wins.
        """
        if data_samples is None:
            data_samples = [VideoDataSample() for _ in inputs]
        kept = ('attn_logits', 'mask_logits') if self.keep_maps else ()
        output = self.run(inputs, (self.predict_from, *kept))
        for sample, maps in zip(
            data_samples, getattr(output, self.predict_from), strict=True
        ):
            height, width = (
                sample.gt_masks if 'gt_masks' in sample else inputs
            ).shape[-2:]
            sample.pred_masks = hard_masks(maps, output.grid, (height, width))
            sample.set_metainfo(dict(grid=output.grid))
        for name in kept:
            for sample, maps in zip(
                data_samples, getattr(output, name), strict=True
            ):
                sample.set_field(maps.detach(), name)
        return data_samples

    def run(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        fields: Iterable[str] | None = None,
    ) -> SlotOutput:
        """Return the record of clips.

        Args:
            inputs: Normalised frames.
            fields: The fields the caller reads; the decoder runs only if
                one of them is decoded. None asks for all.
        """
        return self.stream(inputs, None, fields)[0]

    def stream(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        state: SlotState | None,
        fields: Iterable[str] | None = None,
    ) -> tuple[SlotOutput, SlotState]:
        """Continue a video from a state.

        Args:
            inputs: The next frames of each video, normalised.
            state: What the call before returned; None begins a video.
            fields: See :meth:`run`.
        """
        feats, grid = self.encode(inputs)
        tokens = self.neck(feats)
        start = self.initializer(len(inputs))
        corrected, state = self.track(tokens, grid, start, state)
        decoded: dict[str, Tensor] = {}
        if fields is None or DECODED & set(fields):
            decoded = self.decode(
                corrected['slots'], corrected['attn_logits'], grid
            )
        output = SlotOutput(
            slots_init=start,
            feats=feats,
            tokens=tokens,
            grid=grid,
            **corrected,
            **decoded,
        )
        return output, state

    def encode(
        self, inputs: Float[Tensor, 'B T 3 H W']
    ) -> tuple[Float[Tensor, 'B T N C'], tuple[int, int]]:
        """Return the backbone's tokens and the patch grid."""
        batch = len(inputs)
        (maps,) = chunked(
            lambda images: (self.backbone(images),),
            inputs.flatten(0, 1),
            size=self._pass_size(),
        )
        grid = (maps.shape[-2], maps.shape[-1])
        return rearrange(maps, '(b t) c h w -> b t (h w) c', b=batch), grid

    def track(
        self,
        tokens: Float[Tensor, 'B T N E'],
        grid: tuple[int, int],
        start: Float[Tensor, 'B K D'],
        state: SlotState | None,
    ) -> tuple[dict[str, Tensor], SlotState]:
        """Correct and predict slots frame by frame.

        Returns:
            The corrected fields of the record, and the state after the last
            frame.
        """
        num_iters = self.num_iters if state else self.num_iters_first
        if state is None:
            state = SlotState(slots=start)
        frames = []
        for frame_tokens in tokens.unbind(1):
            frame = self.corrector(
                state.slots, frame_tokens, grid, num_iters, state.geometry
            )
            frames.append(frame)
            predicted = (
                frame.slots
                if self.predictor is None
                else self.predictor(frame.slots)
            )
            state = SlotState(slots=predicted, geometry=frame.geometry)
            num_iters = self.num_iters
        names = ('slots', 'attn_logits', 'token_attn')
        corrected = {
            name: torch.stack([getattr(f, name) for f in frames], dim=1)
            for name in names
        }
        return corrected, state

    def decode(
        self,
        slots: Float[Tensor, 'B T K D'],
        attn_logits: Float[Tensor, 'B T K N'],
        grid: tuple[int, int],
    ) -> dict[str, Tensor]:
        """Return the decoded fields of the record."""

        def draw(slots: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
            drawn = self.decoder(slots, logits, grid)
            return drawn.recon, drawn.mask_logits

        recon, mask_logits = chunked(
            draw,
            slots.flatten(0, 1),
            attn_logits.flatten(0, 1),
            size=self._pass_size(),
        )
        shape = slots.shape[:2]
        return {
            'recon': recon.unflatten(0, shape),
            'mask_logits': mask_logits.unflatten(0, shape),
        }

    def _pass_size(self) -> int | None:
        return None if torch.is_grad_enabled() else self.frames_per_pass

    def _check_widths(self) -> None:
        """Compare the widths that neighbouring parts declare."""
        pairs = [
            ('backbone', 'feat_dim', 'neck', 'feat_dim'),
            ('neck', 'out_dim', 'corrector', 'token_dim'),
            ('initializer', 'slot_dim', 'corrector', 'slot_dim'),
            ('initializer', 'slot_dim', 'decoder', 'slot_dim'),
        ]
        if self.predictor is not None:
            pairs.append(('initializer', 'slot_dim', 'predictor', 'slot_dim'))
        for part, name, other, other_name in pairs:
            width = getattr(getattr(self, part), name)
            other_width = getattr(getattr(self, other), other_name)
            if width != other_width:
                raise ValueError(
                    f'{part}.{name} is {width}, but {other}.{other_name} is '
                    f'{other_width}'
                )


def _build(part: dict | nn.Module) -> Any:
    # Any: what a part must offer is its role's, not a class's.
    return part if isinstance(part, nn.Module) else MODELS.build(part)

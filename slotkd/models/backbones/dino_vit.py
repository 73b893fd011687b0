"""DINOv2's vision transformer with the official parameter names."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.backbones.freezable import FreezableBackbone
from slotkd.models.backbones.vit_layers import Block, FinalNorm, PatchEmbed
from slotkd.models.backbones.vit_weights import to_dino_vit
from slotkd.ops.choices import check_choice
from slotkd.registry import MODELS

ARCHS: dict[str, dict] = {
    'small': dict(embed_dim=384, depth=12, num_heads=6),
    'base': dict(embed_dim=768, depth=12, num_heads=12),
    'large': dict(embed_dim=1024, depth=24, num_heads=16),
    'giant': dict(embed_dim=1536, depth=40, num_heads=24, ffn='swiglu'),
}
FFNS = ('mlp', 'swiglu')


def resample_positions(
    table: Float[Tensor, '1 M C'],
    native: tuple[int, int],
    grid: tuple[int, int],
    *,
    antialias: bool = True,
    offset: float = 0.0,
) -> Float[Tensor, '1 N C']:
    """Resample a table of patch positions bicubically to another grid.

    Args:
        table: Patch positions, row by row, without the class position.
        native: Grid (h, w) of the table.
        grid: Wanted grid (h, w).
        antialias: Filter when shrinking (timm, official register models) or
            not (official plain models).
        offset: Added to the grid in the scale, not in the size; the official
            plain models use 0.1.

    Returns:
        The positions on ``grid``; the table itself where the grids agree.

    Source:
        Oquab et al., DINOv2, TMLR 2024, arXiv:2304.07193;
        facebookresearch/dinov2:dinov2/models/vision_transformer.py@027a9ac.
    """
    if native == grid:
        return table
    image = rearrange(table, '1 (h w) c -> 1 c h w', h=native[0])
    if image.dtype in (torch.float16, torch.bfloat16):
        image = image.float()
    # With an offset the size follows from the scale: floor(g + offset) = g.
    scale = [(g + offset) / n for g, n in zip(grid, native, strict=True)]
    resampled = F.interpolate(
        image,
        size=None if offset else list(grid),
        scale_factor=scale if offset else None,
        mode='bicubic',
        antialias=antialias,
    )
    return rearrange(resampled, '1 c h w -> 1 (h w) c').to(table.dtype)


@MODELS.register_module()
class DinoViT(FreezableBackbone):
    """DINOv2's ViT on any grid, frozen unless said otherwise.

    Features are named ``block1`` to ``block<depth>`` (output of a block,
    before the final norm), ``norm`` (last block after the final norm) and
    ``keys1`` to ``keys<depth>`` (attention keys, heads concatenated). The
    class token and the registers are stripped from each.

    Weights load from the official files and from those of timm,
    SlotContrast and Hugging Face, see :func:`to_dino_vit`. The final norm
    may be missing where ``feature`` does not need it.

    Args:
        arch: ``small``, ``base``, ``large``, ``giant``, or a dict of
            ``embed_dim``, ``depth``, ``num_heads`` and optionally
            ``mlp_ratio`` (4) and ``ffn`` (``mlp`` or ``swiglu``).
        feature: Name of the feature that ``forward`` returns; the last block
            by default.
        frozen: Keep in eval mode, without gradients.
        patch_size: Side of a patch in pixels.
        img_size: Image size (side, or height and width) that the position
            table belongs to.
        num_registers: Register tokens.
        pos_antialias: Filter when the position table shrinks. True is what
            timm does, hence what the published SlotContrast and SSync models
            saw; the official plain models use False.
        pos_offset: See :func:`resample_positions`; 0.1 in the official plain
            models.
        allow_random: Accept random weights although frozen.
        init_cfg: ``dict(type='Pretrained', checkpoint=path_or_url)``.

    Source:
        Oquab et al., DINOv2, TMLR 2024, arXiv:2304.07193; registers: Darcet
        et al., ICLR 2024, arXiv:2309.16588;
        facebookresearch/dinov2:dinov2/models/vision_transformer.py@027a9ac.
        Differs: no mask token, which only pre-training uses.
    """

    def __init__(
        self,
        arch: str | dict = 'base',
        *,
        feature: str | None = None,
        frozen: bool = True,
        patch_size: int = 14,
        img_size: int | tuple[int, int] = 518,
        num_registers: int = 0,
        pos_antialias: bool = True,
        pos_offset: float = 0.0,
        allow_random: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(frozen, allow_random, init_cfg=init_cfg)
        sizes = _sizes(arch)
        dim, depth = sizes['embed_dim'], sizes['depth']
        self.feat_dim = dim
        self.patch_size = patch_size
        self.pos_antialias = pos_antialias
        self.pos_offset = pos_offset
        self.num_registers = num_registers
        height, width = (
            (img_size, img_size) if isinstance(img_size, int) else img_size
        )
        self.native_grid = (height // patch_size, width // patch_size)
        self.feature_names = _feature_names(depth)
        self.feature = self._known(feature or f'block{depth}')

        num_positions = 1 + self.native_grid[0] * self.native_grid[1]
        self.cls_token = _table(1, dim)
        self.pos_embed = _table(num_positions, dim)
        if num_registers:
            self.register_tokens = _table(num_registers, dim)
        self.patch_embed = PatchEmbed(patch_size, dim)
        self.blocks = nn.ModuleList(
            Block(
                dim,
                sizes['num_heads'],
                hidden_dim=int(dim * sizes['mlp_ratio']),
                ffn=sizes['ffn'],
            )
            for _ in range(depth)
        )
        self.norm = FinalNorm(dim, is_optional=self.feature != 'norm')
        self.freeze()

    def forward(
        self, images: Float[Tensor, 'B 3 H W']
    ) -> Float[Tensor, 'B C h w']:
        """Return the map of the feature chosen by ``feature``."""
        return self.extract(images, [self.feature])[self.feature]

    def extract(
        self, images: Float[Tensor, 'B 3 H W'], names: Collection[str]
    ) -> dict[str, Float[Tensor, 'B C h w']]:
        """Return maps of several features by name.

        Blocks above the last one that is needed do not run.

        Raises:
            ValueError: If a name is unknown, or the image does not consist of
                whole patches.
        """
        wanted = {self._known(name) for name in names}
        also = ('norm.weight', 'norm.bias') if 'norm' in wanted else ()
        grid = self._grid(images)
        with self.computing(also):
            found = self._run_blocks(self._tokens(images, grid), wanted)
        skip = 1 + self.num_registers
        return {
            name: rearrange(
                found[name][:, skip:], 'b (h w) c -> b c h w', h=grid[0]
            )
            for name in names
        }

    def adapt_weights(
        self, tensors: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], set[str]]:
        """Rename official, timm, SlotContrast or Hugging Face tensors."""
        return to_dino_vit(tensors)

    def optional_weights(self) -> frozenset[str]:
        """Let the final norm be missing where ``feature`` is before it."""
        unused = () if self.feature == 'norm' else ('norm.weight', 'norm.bias')
        return frozenset(unused)

    def _tokens(self, images: Tensor, grid: tuple[int, int]) -> Tensor:
        positions = resample_positions(
            self.pos_embed[:, 1:],
            self.native_grid,
            grid,
            antialias=self.pos_antialias,
            offset=self.pos_offset,
        )
        patches = self.patch_embed(images) + positions
        extra = [self.cls_token + self.pos_embed[:, :1]]
        if self.num_registers:
            extra.append(self.register_tokens)
        first = torch.cat(extra, dim=1).expand(len(images), -1, -1)
        return torch.cat([first, patches], dim=1)

    def _run_blocks(
        self, tokens: Tensor, wanted: set[str]
    ) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for index, block in enumerate(self.blocks, start=1):
            assert isinstance(block, Block)
            if f'keys{index}' in wanted:
                found[f'keys{index}'] = block.keys(tokens)
            if found.keys() == wanted:
                return found
            tokens = block(tokens)
            if f'block{index}' in wanted:
                found[f'block{index}'] = tokens
        if 'norm' in wanted:
            found['norm'] = self.norm(tokens)
        return found

    def _grid(self, images: Tensor) -> tuple[int, int]:
        height, width = images.shape[-2:]
        size = self.patch_size
        if height % size or width % size:
            raise ValueError(
                f'image size {height}x{width} is no multiple of '
                f'patch_size={size}'
            )
        return height // size, width // size

    def _known(self, feature: str) -> str:
        check_choice('feature', feature, self.feature_names)
        return feature


def _sizes(arch: str | dict) -> dict:
    if isinstance(arch, str):
        check_choice('arch', arch, tuple(ARCHS))
    given = ARCHS[arch] if isinstance(arch, str) else dict(arch)
    sizes = {'mlp_ratio': 4, 'ffn': 'mlp', **given}
    required = {'embed_dim', 'depth', 'num_heads'}
    missing = required - sizes.keys()
    unknown = sizes.keys() - required - {'mlp_ratio', 'ffn'}
    if missing or unknown:
        raise ValueError(
            f'arch has missing keys {sorted(missing)} and unknown keys '
            f'{sorted(unknown)}'
        )
    check_choice('ffn', sizes['ffn'], FFNS)
    if sizes['embed_dim'] % sizes['num_heads']:
        raise ValueError(
            f'embed_dim={sizes["embed_dim"]} is no multiple of '
            f'num_heads={sizes["num_heads"]}'
        )
    return sizes


def _feature_names(depth: int) -> tuple[str, ...]:
    indices = range(1, depth + 1)
    blocks = [f'block{i}' for i in indices]
    return (*blocks, 'norm', *(f'keys{i}' for i in indices))


def _table(rows: int, embed_dim: int) -> nn.Parameter:
    return nn.Parameter(0.02 * torch.randn(1, rows, embed_dim))

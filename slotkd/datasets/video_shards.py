"""Videos packed into shards, many to a file: the base of their readers."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log

from slotkd.datasets.shard_index import ShardContent, index_shards
from slotkd.datasets.shard_lists import list_shards
from slotkd.datasets.video_dataset import VideoDataset
from slotkd.datasets.video_problems import gather


class VideoShardDataset(VideoDataset):
    """Videos in shards, read in place through an index.

    A reader implements :meth:`scan_shard`, :meth:`describe_video` and the
    two readers of :class:`VideoDataset`. ``problems`` tells, once the videos
    are listed, which parts of the shards cannot be read.

    Args:
        data_root: Folder of the shards.
        pipeline: Transforms.
        shards: Names of the shards below ``data_root``, with ranges
            ``{000000..000304}`` or wild cards.
        skip_broken: Leave out what cannot be read and log how much; else it
            is an error.
        index_dir: Where the index goes if ``data_root`` cannot be written
            to.
        clip_len: See :class:`VideoDataset`, as are the following.
        frame_stride: Step between frames.
        clip_mode: How clips are chosen.
        skip_short: Leave out videos that are too short.

    Raises:
        ValueError: If no shard is found, or one is missing or broken; names
            shard, video and field.
    """

    kind: str  # of shards, in the name of the index

    def __init__(
        self,
        data_root: str | Path,
        pipeline: Sequence = (),
        *,
        shards: str | Sequence[str],
        skip_broken: bool = False,
        index_dir: str | Path | None = None,
        clip_len: int | None = None,
        frame_stride: int = 1,
        clip_mode: str = 'blocks',
        skip_short: bool = False,
    ) -> None:
        self.root = Path(data_root)
        self.patterns = [shards] if isinstance(shards, str) else list(shards)
        self.skip_broken = skip_broken
        self.index_dir = None if index_dir is None else Path(index_dir)
        self.problems: list[str] = []
        super().__init__(
            pipeline,
            clip_len=clip_len,
            frame_stride=frame_stride,
            clip_mode=clip_mode,
            skip_short=skip_short,
        )

    @abstractmethod
    def scan_shard(self, path: Path) -> ShardContent:
        """Find the videos of one shard, whatever the options are."""

    @abstractmethod
    def describe_video(self, path: Path, video: dict) -> dict:
        """Check one video that :meth:`scan_shard` has found.

        Returns:
            ``video_id``, ``video_length``, ``ori_shape`` and what the
            readers need.

        Raises:
            ValueError: If a part that is wanted is missing or broken.
        """

    def shard_problem(self, index: int, content: ShardContent) -> str | None:
        """Say what is wrong with a shard as a whole, as in "is missing"."""
        return content.problem

    def list_videos(self) -> list[dict]:
        """List the videos in the order of the shards."""
        names = list_shards(self.root, self.patterns)
        contents = index_shards(
            self.root,
            names,
            self.scan_shard,
            kind=self.kind,
            patterns=self.patterns,
            index_dir=self.index_dir,
        )
        videos: list[dict] = []
        self.problems = []
        for index, (name, content) in enumerate(contents.items()):
            path = self.root / name
            problem = self.shard_problem(index, content)
            if problem is not None:
                self.problems.append(f'{path} {problem}')
            for video in content.videos:
                try:
                    videos.append(self.describe_video(path, video))
                except ValueError as error:
                    self.problems.append(f'{path}: {error}')
        self._report()
        if not videos:
            raise ValueError(
                f'{self.root}: no video in {len(names)} shards that match '
                f'{", ".join(self.patterns)}'
            )
        return videos

    def _report(self) -> None:
        """Raise or log what is broken."""
        if not self.problems or gather(
            self.problems, skipped=self.skip_broken
        ):
            return
        first, more = self.problems[0], len(self.problems) - 1
        if not self.skip_broken:
            others = f' ({more} more like this)' if more else ''
            raise ValueError(
                f'{first}{others}; skip_broken=True leaves out what is broken'
            )
        print_log(
            f'left out {more + 1} broken parts of {self.root}, the first: '
            f'{first}',
            logger='current',
            level=logging.WARNING,
        )

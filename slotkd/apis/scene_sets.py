"""Sets of physics scenes on disk: made by many processes, resumable."""

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from slotkd.apis.scene_files import (
    Arrays,
    Files,
    FileSet,
    davis_files,
    davis_paths,
    npz_files,
    npz_paths,
)
from slotkd.datasets.physics_scenes_collision import import_pybullet
from slotkd.datasets.physics_scenes_video import (
    GENERATION,
    check_scene_options,
    make_scene_video,
)
from slotkd.datasets.tar_writer import TarSet

LAYOUTS = ('tar', 'davis', 'npz')
VIDEOS_PER_SHARD = 32
DAVIS_LISTS = dict(train='train', validation='val')
Made = TypeVar('Made')
Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class SceneOrder:
    """What a set of videos depends on, see :func:`make_scene_video`.

    Args:
        level: How difficult the scenes are.
        seed: Which family of videos.
        split: Which part of the family.
        frames: Length of a video.
        size: Side of the frames in pixels.
        maps: Whether depth and flow are kept.
    """

    level: str
    seed: int
    split: str
    frames: int = 24
    size: int = 128
    maps: bool = True

    def facts(self) -> dict[str, Any]:
        """Return what must not change when a set is continued."""
        return dict(
            tool='slotkd make_scenes',
            generation=GENERATION,
            pybullet=version('pybullet'),
            **asdict(self),
        )

    def name(self, index: int) -> str:
        """Return the name of a video."""
        return f'{self.split}_{index:06d}'

    def arrays(self, index: int) -> Arrays:
        """Make a video."""
        made = make_scene_video(
            self.level,
            self.seed,
            self.split,
            index,
            num_frames=self.frames,
            size=self.size,
        )
        arrays = dict(video=made.video, segmentations=made.segmentations)
        if not self.maps:
            return arrays
        return arrays | dict(depth=made.depth, forward_flow=made.forward_flow)


class SceneSet(ABC):
    """Videos that are wanted on disk, and which of them are not there.

    Neither the number of processes nor what was there changes a byte.

    Args:
        order: What to make.
        num_videos: How many.

    Raises:
        ValueError: If an option is impossible, or the folder holds a set
            made with other options or of more videos.
        ImportError: If PyBullet is not installed.
    """

    missing: list[int]

    def __init__(self, order: SceneOrder, num_videos: int) -> None:
        if num_videos < 1:
            raise ValueError(f'need videos >= 1, got videos={num_videos}')
        check_scene_options(
            order.level, order.seed, order.split, order.frames, order.size
        )
        import_pybullet()
        self.order = order
        self.num_videos = num_videos

    @abstractmethod
    def write(self, workers: int, progress: Progress) -> None:
        """Make and write what is missing.

        Args:
            workers: Processes that make videos.
            progress: Told how many videos were done since the last call.

        Raises:
            ValueError: If there is no worker.
            RuntimeError: If a process dies.
        """

    def _check_count(self, there: int, path: Path) -> None:
        """Stop where videos would be left over."""
        if there > self.num_videos:
            raise ValueError(
                f'{path} lists {there} videos, more than the '
                f'{self.num_videos} asked for; name another folder'
            )


class SceneTars(SceneSet):
    """Archives of 32 videos; an archive is kept or made as a whole."""

    def __init__(
        self, folder: Path, order: SceneOrder, num_videos: int
    ) -> None:
        super().__init__(order, num_videos)
        name = f'scenes_{order.level}-{order.split}'
        self.tars = tars = TarSet(folder, name, order.facts())
        there = sum(len(shard['videos']) for shard in tars.shards.values())
        self._check_count(there, tars.path)
        self.shards = {}
        for start in range(0, num_videos, VIDEOS_PER_SHARD):
            part = range(start, min(start + VIDEOS_PER_SHARD, num_videos))
            shard = start // VIDEOS_PER_SHARD
            if not tars.is_done(shard, [order.name(i) for i in part]):
                self.shards[shard] = part
        self.missing = [i for part in self.shards.values() for i in part]

    def write(self, workers: int, progress: Progress) -> None:
        """Make and write what is missing."""
        made = in_order(self.order.arrays, self.missing, workers)

        def videos(part: range) -> Iterator[tuple[str, Arrays]]:
            for index in part:
                yield self.order.name(index), next(made)
                progress(1)

        with closing(made):
            for shard, part in self.shards.items():
                self.tars.write(shard, videos(part))


class SceneFiles(SceneSet):
    """Files for each video, noted after every 32 and at the end."""

    def __init__(
        self, layout: str, folder: Path, order: SceneOrder, num_videos: int
    ) -> None:
        super().__init__(order, num_videos)
        paths = davis_paths if layout == 'davis' else npz_paths
        listed = f'ImageSets/2017/{DAVIS_LISTS[order.split]}.txt'
        self.encode = partial(_encode, layout, order)
        self.files = FileSet(
            folder,
            f'scenes-{order.split}',
            order.facts() | dict(layout=layout),
            paths=lambda name: paths(name, order.frames, order.maps),
            list_path=listed if layout == 'davis' else None,
        )
        self._check_count(len(self.files.digests), self.files.path)
        self.missing = [
            index
            for index in range(num_videos)
            if not self.files.is_done(order.name(index))
        ]

    def write(self, workers: int, progress: Progress) -> None:
        """Make and write what is missing."""
        with closing(in_order(self.encode, self.missing, workers)) as made:
            try:
                for done, (name, content) in enumerate(made, 1):
                    self.files.write(name, content)
                    progress(1)
                    if done % VIDEOS_PER_SHARD == 0:
                        self.files.save()
            finally:
                self.files.save()


def open_scenes(
    folder: str | Path, layout: str, order: SceneOrder, num_videos: int
) -> SceneSet:
    """Return a set of videos in a folder, those on disk checked.

    Args:
        folder: Where all goes.
        layout: One of :data:`LAYOUTS`.
        order: What to make.
        num_videos: How many.

    Raises:
        ValueError: See :class:`SceneSet`.
        ImportError: If PyBullet is not installed.
    """
    if layout not in LAYOUTS:
        raise ValueError(f'layout={layout!r} is none of {", ".join(LAYOUTS)}')
    if layout == 'tar':
        return SceneTars(Path(folder), order, num_videos)
    return SceneFiles(layout, Path(folder), order, num_videos)


def in_order(
    make: Callable[[int], Made], indices: Iterable[int], workers: int
) -> Generator[Made, None, None]:
    """Yield ``make(index)`` in order, a few of them made ahead.

    Args:
        make: Can be pickled, as what it returns.
        indices: What to make.
        workers: How many processes do it; one is this process.

    Raises:
        ValueError: If there is no worker.
        RuntimeError: If a process dies.
    """
    if workers < 1:
        raise ValueError(f'need workers >= 1, got workers={workers}')
    if workers == 1:
        yield from map(make, indices)
        return
    waiting: deque[Future[Made]] = deque()
    with ProcessPoolExecutor(workers, initializer=_end_with_parent) as pool:
        try:
            for index in indices:
                waiting.append(pool.submit(make, index))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                'a process that made videos was killed, for want of memory '
                'perhaps; the same command goes on where it stopped'
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Keep a worker from waiting for ever when its parent was killed."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _encode(layout: str, order: SceneOrder, index: int) -> tuple[str, Files]:
    name = order.name(index)
    encode = davis_files if layout == 'davis' else npz_files
    return name, encode(name, order.arrays(index))

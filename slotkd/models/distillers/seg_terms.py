"""The loss terms of a segmentor's distillation, and what they may read."""

from collections.abc import Collection
from typing import Any

from mmengine.config import ConfigDict

from slotkd.models.losses.loss_terms import LossTerms

# Field of the teachers' record -> who gives it.
TAUGHT_BY = {
    'logits': 'teacher',
    'feats': 'teacher',
    'slot_maps': 'slot_teacher',
}


def in_scope(config: dict, scope: str, *left_out: str) -> ConfigDict:
    """Return a config whose types are looked up in a scope.

    Args:
        config: A config; one that names its own scope keeps it.
        scope: The scope.
        left_out: Keys to leave out.
    """
    kept = {k: v for k, v in config.items() if k not in left_out}
    # mmsegmentation reads attributes of what it is given.
    return ConfigDict(dict(_scope_=scope) | kept)


def build_terms(
    terms: dict[str, dict[str, Any]] | None, records: tuple[str, ...]
) -> LossTerms:
    """Build loss terms in slotkd's scope.

    Args:
        terms: Name to config; None for none.
        records: What each of them takes.
    """
    configs = (terms or {}).items()
    scoped = {name: in_scope(term, 'slotkd') for name, term in configs}
    return LossTerms(scoped, records)


def check_terms(
    own: LossTerms,
    distilled: LossTerms,
    given: frozenset[str],
    teachers: Collection[str],
) -> None:
    """Compare what the terms read with what there is.

    Args:
        own: Terms of the student's record.
        distilled: Terms of the student's and the teachers' records.
        given: Fields of the student's record.
        teachers: Names of the teachers that there are.

    Raises:
        ValueError: Names the term and the field, or the idle teacher.
    """
    shared = own.losses.keys() & distilled.losses.keys()
    if shared:
        raise ValueError(
            f'losses and distill_losses both have a term {sorted(shared)}; '
            'names must differ'
        )
    for terms in (own, distilled):
        for name, loss in _listed(terms):
            for field in set(loss.fields) - given:
                raise ValueError(
                    f'loss term {name!r} reads {field}, which the student '
                    f'does not have: it has {", ".join(sorted(given))}'
                )
    read: set[str] = set()
    for name, loss in _listed(distilled):
        for field in loss.teacher_fields:
            if TAUGHT_BY.get(field) not in teachers:
                raise ValueError(
                    f'loss term {name!r} reads {field} of a teacher, but '
                    f'there is no {TAUGHT_BY.get(field, "such map")}'
                )
            read.add(TAUGHT_BY[field])
    for teacher in set(teachers) - read:
        raise ValueError(
            f'{teacher} is given, but no term of distill_losses reads it'
        )


def _listed(terms: LossTerms) -> list[tuple[str, Any]]:
    return list(terms.losses.items())

"""Distillers: a student, a held teacher and loss terms."""

from slotkd.models.distillers.distiller import Distiller
from slotkd.models.distillers.seg_distiller import SegDistiller
from slotkd.models.distillers.teacher_holder import TeacherHolder

__all__ = ['Distiller', 'SegDistiller', 'TeacherHolder']

"""Distillers: a student, a held teacher and loss terms."""

from slotkd.models.distillers.distiller import Distiller
from slotkd.models.distillers.seg_distiller import SegDistiller
from slotkd.models.distillers.teacher_holder import TeacherHolder
from slotkd.models.distillers.vos_distiller import VosDistiller

__all__ = ['Distiller', 'SegDistiller', 'TeacherHolder', 'VosDistiller']

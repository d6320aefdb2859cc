"""Facial motion with speech as people have it on disk: VOCASET raw and converted, BIWI, and one's own."""

from .check import Report, check, open_data
from .data import Clip, FaceData
from .spec import BIWI, VOCASET, DataSpec, Split, read_spec

__all__ = ["BIWI", "VOCASET", "Clip", "DataSpec", "FaceData", "Report", "Split", "check", "open_data", "read_spec"]

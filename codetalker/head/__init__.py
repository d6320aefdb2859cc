"""Heads: a neutral mesh with ARKit shapes, ours or from a file, or the bare template of a published model."""

from __future__ import annotations

from .library import HEADS, is_head_file, list_heads, load_head
from .model import Head, Neck, Part, rotation_matrices

__all__ = ["HEADS", "Head", "Neck", "Part", "is_head_file", "list_heads", "load_head", "rotation_matrices"]

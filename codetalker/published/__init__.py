"""The authors' own checkpoints, imported into bundles."""

from .importer import Imported, import_bundle
from .summary import summary

__all__ = ["Imported", "import_bundle", "summary"]

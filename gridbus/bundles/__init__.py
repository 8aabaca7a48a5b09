"""A plugin's folder as code: read when it is settled, kept in memory, and imported under a name of its own."""

from gridbus.bundles.bundle import Bundle, SourceFile
from gridbus.bundles.ignoring import matters
from gridbus.bundles.importer import BundleImporter, PackedImporter
from gridbus.bundles.reading import BundleTooLarge, read_bundle
from gridbus.bundles.settling import Unsettled

__all__ = [
    "Bundle",
    "BundleImporter",
    "BundleTooLarge",
    "PackedImporter",
    "SourceFile",
    "Unsettled",
    "matters",
    "read_bundle",
]

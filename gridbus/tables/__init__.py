"""Tables read from files: CSV, TSV, JSON arrays and JSON lines."""

from gridbus.tables.reader import read_table
from gridbus.tables.table import FileFormat, Problem, Table

__all__ = ["FileFormat", "Problem", "Table", "read_table"]

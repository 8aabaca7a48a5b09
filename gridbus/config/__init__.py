"""The file that declares an application."""

from gridbus.config.checking import CheckReport, ConfigProblem, check_config
from gridbus.config.model import AppConfig, GridConfig, IsolationConfig, PluginConfig, StorageConfig, StorageKind
from gridbus.config.reading import read_config

__all__ = [
    "AppConfig",
    "CheckReport",
    "ConfigProblem",
    "GridConfig",
    "IsolationConfig",
    "PluginConfig",
    "StorageConfig",
    "StorageKind",
    "check_config",
    "read_config",
]

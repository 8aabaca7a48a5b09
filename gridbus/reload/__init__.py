"""Hot reload: plugins follow their files."""

from gridbus.reload.manager import HotReloadManager
from gridbus.reload.watcher import FileWatcher, WatchfilesWatcher

__all__ = ["FileWatcher", "HotReloadManager", "WatchfilesWatcher"]

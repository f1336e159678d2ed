"""Owns gunicorn's configuration as a worker reads it: plain attributes, since a worker's never changes.

gunicorn looks each setting up in a dictionary through `__getattr__`, some thirty times a request: a quarter of what its
parser and its response cost.
"""

from typing import Any

_PROPERTIES = ("is_ssl", "address", "sendfile")


class FixedConfig:
    """The settings of a gunicorn configuration as they are now; all else is asked of the configuration itself."""

    def __init__(self, config: Any) -> None:
        self._config = config
        own = {name: setting.get() for name, setting in config.settings.items()}
        own |= {name: getattr(config, name) for name in _PROPERTIES}
        for name in own.keys() - {"worker_class", "logger_class", "env", "uid", "gid", "proc_name", "ssl_options"}:
            setattr(self, name, own[name])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._config, name)

"""Owns the child's side of timing: limits first, then the engines, and one table as JSON on standard output.

Started by `service.builder.tuner`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from service.builder.manners import behave
from service.builder.timing import time_engines
from service.repository.bundles import BundleStore


def main(order: dict[str, Any]) -> int:
    """Time the engines on the bundle that `order` names; return the exit status."""
    behave(memory=order["memory"])
    folder = Path(order["folder"])
    bundle = BundleStore(folder.parent.parent).find(folder.parent.name, folder.name)
    if bundle is None:
        return 1
    tuning = time_engines(bundle, cores=order["cores"], seconds=order["seconds"])
    sys.stdout.write(f"{json.dumps(tuning.to_json())}\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    status = main(json.loads(sys.argv[1]))
    os._exit(status)  # all is said: an engine's threads would take a while to end in order

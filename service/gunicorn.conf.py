"""gunicorn's settings that do not depend on ours, and its hooks. Read by `convoy serve`."""

import threading

worker_tmp_dir = None
preload_app = False
control_socket_disable = True
accesslog = None
timeout = 120
graceful_timeout = 30
keepalive = 75  # longer than load balancers keep theirs; an idle connection costs no thread
sendfile = False  # a response goes out through the worker's loop
backlog = 2048

_BEAT_SECONDS = 5


def post_fork(server, worker):
    """Keep the heartbeat up while the worker loads its models, before it enters gunicorn's loop."""
    worker.loaded = threading.Event()

    def beat():
        while not worker.loaded.wait(_BEAT_SECONDS):
            worker.notify()

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()


def post_worker_init(worker):
    """Hand the heartbeat over to gunicorn's loop."""
    worker.loaded.set()


def worker_exit(server, worker):
    """Stop the threads of the worker's runtime; a build at work is ended."""
    runtime = getattr(worker.wsgi, "extensions", {}).get("convoy") if hasattr(worker, "wsgi") else None
    if runtime is not None:
        runtime.stop()

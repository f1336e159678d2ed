"""Owns the composition: `create_app` is the one place where parts meet; `Runtime` lives as long as its worker."""

import logging
import threading
import time

from flask import Flask

from service.api import cloud, errors, health, huggingface, native
from service.api import log as access_log
from service.api.default_model import DefaultModel
from service.api.openapi import routes as openapi
from service.api.openinference import routes as openinference
from service.api.tfserving import routes as tfserving
from service.builder.process import BuildLimits
from service.image.decode import ImageLimits
from service.repository.bundles import BundleStore
from service.serving.builds import Builds
from service.serving.follower import Follower, follow_seconds
from service.serving.inference import Inferrer
from service.serving.live import LiveFile
from service.serving.predictor import Predictor
from service.serving.preview import Previewer
from service.serving.registry import Registry
from service.serving.statistics import Statistics
from service.serving.unloaded import UnloadedModels
from service.serving.watch_loop import WatchLoop
from service.serving.watcher import Watcher
from service.settings import Settings

log = logging.getLogger(__name__)
FIRST_LOOK_SECONDS = 60.0
"""How long a worker waits for another one's first look at the models folder."""


class Runtime:
    """The living parts of one worker: registry, follower, and its share in watching and building."""

    def __init__(self, settings: Settings) -> None:
        assert settings.runtime_dir is not None
        self.folder = settings.runtime_dir
        self._store = BundleStore(settings.cache_dir, read_only=settings.bundles_dir)
        self._file = LiveFile(settings.runtime_dir)
        self._settings = settings
        limits = BuildLimits(
            settings.build_timeout, settings.build_memory, allow_saved_model=settings.allow_saved_model
        )
        self._builds = Builds(self._store, limits=limits, on_change=lambda: self._loop.wake())
        self._loop = WatchLoop(self._watcher, lock_dir=settings.runtime_dir, poll_seconds=settings.poll_seconds)
        self.unloaded = UnloadedModels(settings.runtime_dir)
        self.registry = Registry(self._file, self._store, self.unloaded)
        self._follower = Follower(self.registry, seconds=follow_seconds(settings.poll_seconds))

    def start(self) -> None:
        """Take part in watching, and load everything that is live before the first request is taken."""
        self._loop.start()
        self._await_first_look()
        self.registry.refresh()
        self._follower.start()

    def stop(self) -> None:
        """Stop in reverse order; a build at work is ended."""
        self._follower.stop()
        self._loop.stop()
        self._builds.stop()

    def _await_first_look(self) -> None:
        deadline = time.monotonic() + FIRST_LOOK_SECONDS
        pause = threading.Event()
        while self._file.stamp() is None and time.monotonic() < deadline:
            pause.wait(0.02)

    def _watcher(self) -> Watcher:
        settings = self._settings
        return Watcher(
            settings.models_dir,
            store=self._store,
            live_file=self._file,
            builds=self._builds,
            ready=settings.ready,
            prune_days=settings.prune_days,
        )


def image_limits(settings: Settings) -> ImageLimits:
    """Return the limits on one encoded image."""
    return ImageLimits(
        max_bytes=settings.max_image_bytes,
        max_pixels=settings.max_image_pixels,
        max_side=settings.max_image_side,
    )


def create_app(settings: Settings) -> Flask:
    """Wire a worker's application and start its runtime; `app.extensions["convoy"].stop()` ends it.

    `settings.runtime_dir` must be set: it is what the workers of one server share.
    """
    runtime = Runtime(settings)
    limits = image_limits(settings)
    statistics = Statistics(runtime.folder)
    predictor = Predictor(limits=limits, max_examples=settings.max_examples, recorder=statistics)
    inferrer = Inferrer(limits=limits, max_examples=settings.max_examples, recorder=statistics)
    previewer = Previewer(limits=limits)
    default = DefaultModel(runtime.registry, settings.default_model)
    app = Flask("convoy", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["MAX_FORM_PARTS"] = settings.max_images + 16
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_image_bytes
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.register_blueprint(native.blueprint(runtime.registry, predictor, previewer, settings))
    app.register_blueprint(openinference.blueprint(runtime.registry, inferrer, statistics, runtime.unloaded, settings))
    app.register_blueprint(huggingface.blueprint(runtime.registry, default, inferrer, settings))
    app.register_blueprint(cloud.blueprint(default, predictor, inferrer, settings))
    app.register_blueprint(tfserving.blueprint(runtime.registry, inferrer, settings))
    app.register_blueprint(openapi.blueprint())
    app.register_blueprint(health.blueprint(runtime.registry))
    forms = {"/v1": errors.error_object, "/v2": errors.error_object, huggingface.PREFIX: huggingface.error_body}
    errors.register(app, {**forms, **cloud.error_forms(settings)})
    access_log.register(app)
    app.extensions["convoy"] = runtime
    runtime.start()
    return app

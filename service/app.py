"""Owns the composition: `create_app` is the one place where parts meet; `Runtime` lives as long as its worker."""

import logging
import threading
import time

from flask import Flask

from service.access.keyring import Keyring
from service.access.keys_file import SPARE
from service.api import (
    access,
    activations,
    cloud,
    cors,
    errors,
    explain,
    graph,
    headers,
    health,
    huggingface,
    native,
    units,
)
from service.api.application import Application
from service.api.default_model import DefaultModel
from service.api.metrics import routes as metrics
from service.api.observed import Observer
from service.api.openapi import routes as openapi
from service.api.openinference import routes as openinference
from service.api.tfserving import routes as tfserving
from service.builder.process import BuildLimits
from service.engine.engines import installed_engines
from service.explain.activations import Activator
from service.explain.explainer import Explainer
from service.explain.insight import Insights
from service.explain.turns import Turns
from service.image.decode import ImageLimits
from service.log import take_native_lines
from service.metrics.counters import Counters
from service.metrics.metrics import Metrics
from service.repository.bundles import BundleStore
from service.repository.tunings import TuningStore
from service.serving.builds import Builds
from service.serving.follower import Follower, follow_seconds
from service.serving.held import HeldModels
from service.serving.inference import Inferrer
from service.serving.live import LiveFile
from service.serving.predictor import Predictor
from service.serving.preview import Previewer
from service.serving.registry import Registry
from service.serving.statistics import Statistics
from service.serving.supply import Supply
from service.serving.tuning import Tuner
from service.serving.unloaded import UnloadedModels
from service.serving.watch_loop import WatchLoop
from service.serving.watcher import Watcher
from service.settings import Settings
from service.web.page import Page

log = logging.getLogger(__name__)
FIRST_LOOK_SECONDS = 60.0
"""How long a worker waits for another one's first look at the models folder."""


class Runtime:
    """The living parts of one worker: registry, follower, and its share in watching and building."""

    def __init__(self, settings: Settings) -> None:
        assert settings.runtime_dir is not None
        self.folder = settings.runtime_dir
        self.counters = Counters(settings.runtime_dir)
        self.metrics = Metrics(self.counters)
        self._store = BundleStore(settings.cache_dir, read_only=settings.bundles_dir)
        self._file = LiveFile(settings.runtime_dir)
        self._settings = settings
        limits = BuildLimits(
            settings.build_timeout, settings.build_memory, allow_saved_model=settings.allow_saved_model
        )
        self._builds = Builds(
            self._store, limits=limits, on_change=lambda: self._loop.wake(), record=self.metrics.built
        )
        self._tuner = Tuner(
            TuningStore(settings.cache_dir, engines=installed_engines()),
            profile=settings.profile,
            memory=settings.build_memory,
            is_active=settings.tune,
            is_busy=lambda: not self._builds.is_idle(),
            on_change=lambda: self._loop.wake(),
        )
        self._loop = WatchLoop(self._watcher, lock_dir=settings.runtime_dir, poll_seconds=settings.poll_seconds)
        self.unloaded = UnloadedModels(settings.runtime_dir)
        self._held = HeldModels(settings.runtime_dir)
        self.registry = Registry(self._file, self._store, unloaded=self.unloaded, held=self._held)
        self._follower = Follower(self.registry, seconds=follow_seconds(settings.poll_seconds))
        self.insights = Insights()

    def start(self) -> None:
        """Take part in watching, and load everything that is live before the first request is taken."""
        self._loop.start()
        self._await_first_look()
        self._follower.start()

    def stop(self) -> None:
        """Stop in reverse order; a build at work is ended."""
        self.insights.close()
        self._follower.stop()
        self._loop.stop()
        self._tuner.stop()
        self._builds.stop()
        self._held.remove()
        self.counters.close()

    def _await_first_look(self) -> None:
        deadline = time.monotonic() + FIRST_LOOK_SECONDS
        pause = threading.Event()
        self.registry.refresh()
        while not self.registry.has_view and time.monotonic() < deadline:
            pause.wait(0.02)
            self.registry.refresh()

    def _watcher(self) -> Watcher:
        settings = self._settings
        return Watcher(
            settings.models_dir,
            store=self._store,
            live_file=self._file,
            builds=self._builds,
            supply=Supply(settings.models_dir, path=settings.models_lock),
            limits=image_limits(settings),
            tuner=self._tuner,
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
    if settings.log_format == "json":
        take_native_lines()
    runtime = Runtime(settings)
    keyring = Keyring(
        admin_key=settings.admin_key,
        keys=settings.keys,
        file=settings.keys_file,
        spare=runtime.folder / SPARE,
        look_seconds=follow_seconds(settings.poll_seconds),
    )
    limits = image_limits(settings)
    statistics = Statistics(runtime.counters)
    observer = Observer(statistics, runtime.metrics)
    predictor = Predictor(limits=limits, max_examples=settings.max_examples, recorder=observer)
    inferrer = Inferrer(limits=limits, max_examples=settings.max_examples, recorder=observer)
    previewer = Previewer(limits=limits, polarity=predictor.polarity)
    activator = Activator(previewer=previewer, insights=runtime.insights, recorder=observer)
    turns = Turns(waiting=settings.threads // 2)
    explainer = Explainer(previewer=previewer, insights=runtime.insights, recorder=observer, turns=turns)
    default = DefaultModel(runtime.registry, settings.default_model)
    app = Application("convoy", max_body=settings.max_body_bytes)
    app.config["MAX_FORM_PARTS"] = settings.max_images + 16
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_image_bytes
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    observer.register(app)
    app.register_blueprint(native.blueprint(runtime.registry, predictor, previewer, settings))
    app.register_blueprint(activations.blueprint(runtime.registry, activator, settings))
    app.register_blueprint(explain.blueprint(runtime.registry, explainer, settings))
    app.register_blueprint(units.blueprint(runtime.registry))
    app.register_blueprint(graph.blueprint(runtime.registry))
    app.register_blueprint(openinference.blueprint(runtime.registry, inferrer, statistics, runtime.unloaded, settings))
    app.register_blueprint(huggingface.blueprint(runtime.registry, default, inferrer, settings))
    app.register_blueprint(cloud.blueprint(default, predictor, inferrer, settings, is_guarded=keyring.guards_all))
    app.register_blueprint(tfserving.blueprint(runtime.registry, inferrer, explainer, settings))
    app.register_blueprint(openapi.blueprint())
    page = Page()
    app.register_blueprint(health.blueprint(runtime.registry, is_guarded=keyring.guards_all, page=page.shown_to))
    app.register_blueprint(page.blueprint())
    app.register_blueprint(metrics.blueprint(runtime.registry, runtime.counters))
    forms = {"/v1": errors.error_object, "/v2": errors.error_object, huggingface.PREFIX: huggingface.error_body}
    errors.register(app, {**forms, **cloud.error_forms(settings)})
    headers.register(app, is_shared=bool(settings.cors_origins))
    cors.register(app, settings.cors_origins)
    access.register(app, keyring, health_route=settings.health_route)
    app.extensions["convoy"] = runtime
    runtime.start()
    return app

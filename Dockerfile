# Convoy in an image, docs/deployment.md. Two targets:
#   docker build -t convoy .                      full: builds whatever saved model is dropped into /models
#   docker build -t convoy:slim --target slim .   without TensorFlow: serves what was built before (/bundles)
# Behind a mirror: `--build-arg PIP_INDEX_URL=…` (and PIP_CERT=… for its certificate).

# ---- base: what both images start from
FROM python:3.13-slim-trixie AS base
# /cache is 1777: a volume made for it can be written under `--user` too.
RUN groupadd --gid 10001 convoy \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin convoy \
 && install -d -o 10001 -g 10001 /models \
 && install -d -o 10001 -g 10001 -m 1777 /cache
ENV PATH=/opt/convoy/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    CONVOY_HOST=0.0.0.0 \
    CONVOY_MODELS_DIR=/models \
    CONVOY_BUNDLES_DIR=/bundles \
    CONVOY_CACHE_DIR=/cache
WORKDIR /models
VOLUME ["/cache"]
EXPOSE 8000
STOPSIGNAL SIGTERM
COPY deploy/healthcheck.py /opt/healthcheck.py
# Liveness alone: a model that cannot be built must not have the container restarted.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "/opt/healthcheck.py"]
ENTRYPOINT ["convoy"]
CMD ["serve"]
LABEL org.opencontainers.image.title="Convoy" \
      org.opencontainers.image.description="Drop a saved Keras CNN into a folder, get an image-classification API." \
      org.opencontainers.image.licenses="MIT"

# ---- serve-deps: what serving needs, as locked, in a layer of its own
FROM python:3.13-slim-trixie AS serve-deps
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_CERT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Without a pip of its own: the image has one.
RUN python -m venv --without-pip /opt/convoy
COPY requirements/serve.txt /tmp/serve.txt
RUN pip --python /opt/convoy/bin/python install -q --no-deps --require-hashes --only-binary :all: -r /tmp/serve.txt

# ---- build-deps: what building needs besides, so that a change of code does not install TensorFlow again
FROM serve-deps AS build-deps
COPY requirements/build.txt /tmp/build.txt
# TensorFlow's C++ headers (290 MB) only serve to compile operations of one's own.
RUN pip --python /opt/convoy/bin/python install -q --no-deps --require-hashes --only-binary :all: -r /tmp/build.txt \
 && rm -rf /opt/convoy/lib/python3*/site-packages/tensorflow/include

# ---- package: the wheel, made with the locked build backend and without a network
FROM build-deps AS package
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY service service
RUN pip --python /opt/convoy/bin/python wheel -q --no-deps --no-index --no-build-isolation --wheel-dir /wheel .

# ---- bundles: the bundled models, built now, so that a container answers about a second after its start
FROM package AS bundles
WORKDIR /
RUN pip --python /opt/convoy/bin/python install -q --no-deps --no-index /wheel/*.whl
COPY models /models
RUN HOME=/tmp /opt/convoy/bin/convoy build /models --cache-dir /built --out /bundles

# ---- slim: serves what was built before
FROM base AS slim
ARG VERSION=unknown
LABEL org.opencontainers.image.version=$VERSION
COPY --from=serve-deps /opt/convoy /opt/convoy
COPY --from=package /wheel /tmp/wheel
RUN pip --python /opt/convoy/bin/python install -q --no-deps --no-index --no-cache-dir /tmp/wheel/*.whl
# One folder is both: the store of bundles, and the models folder that says which of them is which version.
COPY --from=bundles /bundles /bundles
ENV CONVOY_MODELS_DIR=/bundles
WORKDIR /bundles
USER 10001:10001

# ---- full: the default
FROM base AS full
ARG VERSION=unknown
LABEL org.opencontainers.image.version=$VERSION
COPY --from=build-deps /opt/convoy /opt/convoy
COPY --from=package /wheel /tmp/wheel
RUN pip --python /opt/convoy/bin/python install -q --no-deps --no-index --no-cache-dir /tmp/wheel/*.whl
COPY --from=bundles /built /bundles
# A fresh container serves the bundled models; a volume made for /models starts as a copy of them.
COPY --chown=10001:10001 models /models
USER 10001:10001

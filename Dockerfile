# The exporter as a small image: no compiler, no package installer, no root. docs/install/docker.md says how to run it.
#
# The base is named by tag: its security fixes come with each build. To build on exactly one base, give its digest:
#   --build-arg BASE=docker.io/library/python:3.14-slim-trixie@sha256:...
ARG BASE=docker.io/library/python:3.14-slim-trixie

# hadolint ignore=DL3006
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/joulo-exporter \
 && pip install --require-hashes --only-binary=:all: -r requirements-build.lock \
 && pip --python /opt/joulo-exporter/bin/python install --no-compile --require-hashes --only-binary=:all: \
      -r requirements.lock
COPY . .
# The bytecode is made here, since the exporter may not write it; it is valid whatever times the files get.
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheel . \
 && pip --python /opt/joulo-exporter/bin/python install --no-compile --no-deps --no-index /wheel/*.whl \
 && /opt/joulo-exporter/bin/python -m compileall -q --invalidation-mode=unchecked-hash /opt/joulo-exporter/lib

# hadolint ignore=DL3006
FROM ${BASE}
COPY --from=build /opt/joulo-exporter /opt/joulo-exporter
ENV PATH=/opt/joulo-exporter/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# The default storage path leads to /data too, so that `docker exec ... joulo-exporter sessions` finds the ledger.
# Of the base's own packages (pip, setuptools, wheel) none is needed, and what is not there has no vulnerabilities.
# What is imported once by root leaves its bytecode, which the base image lacks, for the starts to come.
RUN mkdir -m 0700 /data \
 && chown 9973:9973 /data \
 && ln -s /data /var/lib/joulo-exporter \
 && rm -rf /usr/local/lib/python3.*/ensurepip /usr/local/lib/python3.*/site-packages/* \
      /usr/local/bin/pip* /usr/local/bin/wheel \
 && joulo-exporter --version \
 && python -c 'import http.client, ssl, joulo_exporter.healthcheck, joulo_exporter.service'
# Without a writable root, SQLite's temporary files have no other place.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TMPDIR=/data
USER 9973:9973
WORKDIR /data
VOLUME /data
EXPOSE 9973
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["python", "-m", "joulo_exporter.healthcheck"]
ENTRYPOINT ["joulo-exporter"]
CMD ["--storage.path=/data"]

ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="joulo-exporter" \
      org.opencontainers.image.description="Prometheus exporter for Joulo's charging sessions and ERE credits" \
      org.opencontainers.image.documentation="docs/install/docker.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# What runs is what was tested: the wheel of this tree and the versions of
# requirements.txt, each checked against its hash.
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t moorcheh-operator:0.1.0 .
#
# Releases pin the base by digest: --build-arg PYTHON=python:3.11-slim-bookworm@sha256:...
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# The requirements first: they change less often than the source.
COPY requirements.txt requirements-build.txt ./
RUN python -m venv --without-pip /opt/moorcheh-operator \
 && pip --python /opt/moorcheh-operator/bin/python install --only-binary :all: --require-hashes -r requirements.txt
# The build backend stays behind in this stage.
RUN pip install --only-binary :all: --require-hashes -r requirements-build.txt

COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && pip --python /opt/moorcheh-operator/bin/python install --no-deps --no-index /wheels/*.whl \
 && pip --python /opt/moorcheh-operator/bin/python check

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="moorcheh-operator" \
      org.opencontainers.image.description="Delete Moorcheh namespaces declaratively: a Kubernetes operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/moorcheh-operator /opt/moorcheh-operator
# The root file system may be read-only: the byte code is there already, and nothing else is written.
# HOME: the user has no entry in /etc/passwd, and a library wants to know its home when it is imported.
ENV PATH=/opt/moorcheh-operator/bin:$PATH \
    HOME=/ \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /
# As a number: Kubernetes checks runAsNonRoot without looking into the image's /etc/passwd.
USER 65532:65532
EXPOSE 8080
# No shell in between: the operator is PID 1 and gets the SIGTERM itself.
ENTRYPOINT ["moorcheh-operator", "run"]

# The worker and the endpoint: one image, two commands (see docker-compose.temporal.yml).

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/poolwright
WORKDIR /source
COPY requirements requirements
RUN /opt/poolwright/bin/pip install --require-hashes --requirement requirements/deploy.txt
# SDKs are heavy: name those that are needed, as in --build-arg VENDORS="aws azure".
ARG VENDORS=""
RUN for vendor in $VENDORS; do \
    /opt/poolwright/bin/pip install --require-hashes --requirement requirements/$vendor.txt || exit 1; done
COPY . .
RUN /opt/poolwright/bin/pip install --no-deps --no-build-isolation .

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin poolwright \
    && install --directory --owner poolwright --mode 0700 /var/lib/poolwright
COPY --from=build /opt/poolwright /opt/poolwright
WORKDIR /srv/poolwright
COPY worker.py .
ENV PATH=/opt/poolwright/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER poolwright
CMD ["poolwright", "--help"]

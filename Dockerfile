# docker build -t pipedrive-sync . && docker run --rm -v pipedrive-sync:/data -e PIPEDRIVE_API_TOKEN -e PIPEDRIVE_COMPANY_DOMAIN pipedrive-sync
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# The dependencies change less often than the program: a layer of their own.
COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m venv /opt/pipedrive-sync \
 && /opt/pipedrive-sync/bin/pip install --require-hashes -r requirements/run.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes -r requirements/build.txt
COPY . .
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/pipedrive-sync/bin/pip install --no-index --no-deps /wheels/*.whl \
 && /opt/pipedrive-sync/bin/pip check \
 && /opt/pipedrive-sync/bin/pip uninstall --yes pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home sync
COPY --from=build /opt/pipedrive-sync /opt/pipedrive-sync
ENV PATH=/opt/pipedrive-sync/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DATABASE_URL=sqlite:////data/sync.db
USER sync
WORKDIR /data
VOLUME /data
ENTRYPOINT ["pipedrive-sync"]
CMD ["sync"]

# docker build -t pipedrive-sync .
# docker run --rm -it -v pipedrive-sync:/data pipedrive-sync users add YOUR-NAME --role editor
# docker run -d --restart unless-stopped -p 127.0.0.1:8080:8080 -v pipedrive-sync:/data -e PIPEDRIVE_API_TOKEN -e PIPEDRIVE_COMPANY_DOMAIN pipedrive-sync
# Without a login it does not start; -e SYNC_WEB__ENABLED=false serves the webhook receiver alone, and needs none.
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
    DATABASE_URL=sqlite:////data/sync.db \
    SYNC_HOST=0.0.0.0
# Listening on every address is no risk: who reaches the page has to sign in (`run` refuses to start before somebody can), the
# receiver lets nobody in without its credentials, and all else that is served (/healthz, /readyz, /metrics) shows states and
# counts, and nothing of what a customer's record holds. From outside only what is published (-p) can be reached at all.
EXPOSE 8080
USER sync
WORKDIR /data
VOLUME /data
# Alive, not ready: a first copy, a spent day or a database that is gone for a while are no reason to start it anew.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f'http://127.0.0.1:{os.environ.get(\"SYNC_PORT\", 8080)}/healthz', timeout=4)"]
ENTRYPOINT ["pipedrive-sync"]
CMD ["run"]

# citybrain: one image for every role; the role is the command (see compose.yaml).
FROM python:3.12-slim-bookworm AS build
WORKDIR /opt/citybrain
COPY requirements.lock ./
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /opt/venv/bin/python -m compileall -q citybrain wall streams sensors config models geo \
 && /opt/venv/bin/python -m citybrain.machine_code

FROM python:3.12-slim-bookworm
# Pango and a font with Chinese letters: for reports as PDF
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin citybrain \
 && install -d -o citybrain -g citybrain /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/citybrain /opt/citybrain
WORKDIR /opt/citybrain
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/opt/citybrain \
    CITYBRAIN_DATA=/data CITYBRAIN_HOST=0.0.0.0
USER citybrain
VOLUME /data
ENTRYPOINT ["python", "-m", "citybrain"]
CMD ["--help"]

# AetherFlow as a container: the same image runs the API, the workers and the migrations.

FROM node:24-bookworm-slim AS pages
WORKDIR /web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM python:3.11-slim-bookworm AS packages
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.11-slim-bookworm
# Bubblewrap is the sandbox that workers open files in.
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home aetherflow
WORKDIR /srv/aetherflow
COPY --from=packages /opt/venv /opt/venv
COPY --from=pages /web/dist web/dist
COPY domain domain
COPY graph graph
COPY workers workers
COPY migrations migrations
COPY ops ops
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/srv/aetherflow PYTHONDONTWRITEBYTECODE=1
USER aetherflow
EXPOSE 8000
CMD ["python", "-m", "ops", "api", "--host", "0.0.0.0", "--port", "8000"]

"""gunicorn app:app, with the settings that go with a sidecar."""

bind = "127.0.0.1:8000"
workers = 4
worker_class = "uvicorn_worker.UvicornWorker"
# What requests, and then the sidecar (`stop_timeout`), get to finish.
graceful_timeout = 30

"""`python -m forst_asgi` is `forst-asgi`."""

from forst_asgi.cli import main

if __name__ == "__main__":
    main()

"""A fitted mixture as an HTTP service: `create_app` makes it, `run` serves it (the optional extra ``serve``).

Importing this imports neither FastAPI nor uvicorn; the modules `app` and `run` do.
"""

from mixturelab.serve.settings import Settings

__all__ = ["Settings"]

"""The same endpoint as one would write it first: FastAPI, a pydantic model, scikit-learn's predict_proba."""

from __future__ import annotations

import sys

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.mixture import GaussianMixture


class Rows(BaseModel):
    """What is posted."""

    rows: list[list[float]]


def main(parameters: str, port: int) -> None:
    """Serve the mixture whose parameters are in an .npz file."""
    with np.load(parameters) as stored:
        weights, means, covariances = (stored[name] for name in ("weights", "means", "covariances"))
    model = GaussianMixture(len(weights))
    model.weights_, model.means_, model.covariances_ = weights, means, covariances
    model.precisions_cholesky_ = np.linalg.inv(np.linalg.cholesky(covariances)).swapaxes(-1, -2)
    app = FastAPI()

    @app.post("/responsibilities")
    def responsibilities(body: Rows) -> dict[str, list[list[float]]]:
        return {"responsibilities": model.predict_proba(np.array(body.rows)).tolist()}

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

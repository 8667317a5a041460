"""What the command line asks for, as settings; and a word for those who have not installed the extra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mixturelab.exceptions import ArgumentError
from mixturelab.serve.settings import Settings

__all__ = ["serve"]


def serve(
    model: Path,
    limits: dict[str, Any],
    workers: int | None,
    token_file: Path | None,
    allow_host: Sequence[str],
    say: Callable[[str], None],
    **options: Any,
) -> int:
    """Serve a model file until it is told to stop.

    Parameters
    ----------
    model : Path
    limits : dict
        Fields of `Settings`.
    workers : int or None
        None for the default.
    token_file : Path or None
        None for the variable ``MIXTURELAB_TOKEN``.
    allow_host : sequence of str
        Names that the Host header may have beside those of loopback.
    say : callable
        Gets the line that tells the address.
    **options
        Further arguments of `mixturelab.serve.run.serve`.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    ArgumentError
        If the extra is not installed; besides this, what `mixturelab.serve.run.serve` raises.
    """
    try:
        from mixturelab.serve import run
    except ModuleNotFoundError as error:
        raise ArgumentError(
            f"serve needs {error.name}, which is not installed; get it with: pip install 'mixturelab[serve]'"
        ) from None
    if workers is not None:
        limits = {**limits, "workers": workers}
    hosts = (*run.LOOPBACK_NAMES, *allow_host) if allow_host else None
    settings = Settings(**limits, token=run.find_token(token_file), hosts=hosts)

    def tell(address: str) -> None:
        say(f"mixturelab: {model.name} is served at {address} (Ctrl-C ends it)")

    return run.serve(model, settings, say=tell, **options)

"""Arrays at the edge: NumPy, pandas and torch in, torch inside, and the same kind out again."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixturelab.exceptions import ArgumentError, DataError

_DTYPES = {"float32": torch.float32, "float64": torch.float64}

# Squares of numbers beyond this part of the largest float overflow once they are divided by a variance.
_HEADROOM = 1e-4


def torch_dtype(dtype: Any) -> torch.dtype | None:
    """`torch.float32` or `torch.float64` from a name, a NumPy or a torch dtype; None stays None."""
    if dtype is None or (isinstance(dtype, torch.dtype) and dtype in _DTYPES.values()):
        return dtype
    try:
        return _DTYPES[np.dtype(dtype).name]
    except (TypeError, KeyError):
        raise ArgumentError(f"dtype is {dtype!r}; wanted 'float32', 'float64' or None") from None


def torch_device(device: Any) -> torch.device | None:
    """A torch device from its name; None stays None."""
    try:
        return None if device is None else torch.empty(0, device=device).device
    except (RuntimeError, TypeError, AssertionError):
        wanted = "a torch device that is here, such as 'cpu' or 'cuda:0'"
        raise ArgumentError(f"device is {device!r}; wanted {wanted}") from None


def as_tensor(value: Any, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
    """A floating-point tensor of the values, sharing memory where it can; integers become float64."""
    tensor = value.detach() if isinstance(value, Tensor) else from_numpy(np.asarray(value))
    wanted = dtype or (tensor.dtype if tensor.dtype in _DTYPES.values() else torch.float64)
    return tensor.to(dtype=wanted, device=device)


def from_numpy(array: np.ndarray) -> Tensor:
    """`torch.from_numpy`, also for arrays that are read-only (we never write) or have negative strides."""
    odd = any(stride < 0 or stride % array.itemsize for stride in array.strides)
    if odd or not array.dtype.isnative:
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        array = _as_float64(array)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _as_float64(array: np.ndarray) -> np.ndarray:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"an array of {array.dtype} is not numeric: {error}") from None


def to_kind(tensor: Tensor, like: Any) -> Any:
    """The tensor as what ``like`` is: a tensor on its device, or a NumPy array."""
    return usable(tensor.to(like.device)) if isinstance(like, Tensor) else tensor.cpu().numpy()


def usable(tensor: Tensor) -> Tensor:
    """The tensor, or a copy of one that was made in inference mode and that autograd would refuse."""
    return tensor.clone() if tensor.is_inference() else tensor


def require_usable(x: Tensor, names: Any = None) -> None:
    """Check that all values are finite and that their squares are.

    Raises
    ------
    DataError
        Naming the first bad row and column.
    """
    low, high = (float(v) for v in torch.aminmax(x))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(_first_bad(x, names))
    limit = _HEADROOM * torch.finfo(x.dtype).max ** 0.5
    if high - low > limit:
        raise DataError(
            f"X spans {high - low:.3g}, more than {limit:.3g}, so that squares overflow in {x.dtype}; rescale it"
        )


def _first_bad(x: Tensor, names: Any) -> str:
    for start, chunk in zip(range(0, len(x), 8192), x.split(8192), strict=True):
        bad = torch.nonzero(~torch.isfinite(chunk))
        if len(bad):
            row, column = (int(i) for i in bad[0])
            value = float(chunk[row, column])
            kind = "NaN" if np.isnan(value) else "infinity"
            return (
                f"Input X contains {kind}: first at row {start + row}, column {_column(column, names)}. "
                "Drop or impute such rows before the fit."
            )
    raise AssertionError("no bad value found")  # pragma: no cover


def _column(index: int, names: Any) -> str:
    return f"{index} ({names[index]!r})" if names is not None and len(names) > index else str(index)


def constant_columns(x: Tensor, names: Any = None) -> list[Any]:
    """Names, or indices where there are none, of the columns that hold one value (rounding hides it in a variance)."""
    flat = torch.nonzero(x.amax(0) == x.amin(0)).flatten().tolist()
    return [names[i] for i in flat] if names is not None else flat

"""What goes between the harness and a worker: tasks and events, a JSON object per line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


Emit = Callable[[dict[str, Any]], None]

"""How long a model takes on an ESP32-S3: an estimate, from operation counts.

No trustworthy published figures of LSTMs on this chip are known. The constants are cycles at
240 MHz of plain compiled C (no SIMD): 8 per multiply-add with float32 weights in internal RAM, 10
with int8 weights, 200 per sigmoid or tanh.
"""

from edgeflow.errors import ConfigError
from edgeflow.protocols.model_file import ModelFile, operations

__all__ = ["check_run_time", "compute_us", "reference_tick_us"]

CLOCK_MHZ = 240
CYCLES_PER_MULTIPLY_ADD = {0: 8, 1: 10}
"""By dtype of the weights: 0 float32, 1 int8."""
CYCLES_PER_ACTIVATION = 200

WATCHDOG_SECONDS = 10
"""A board whose one run takes longer restarts, and nobody waits longer for an answer."""

TICK_US = 10_000
STEPS_PER_TICK = 4


def compute_us(multiply_adds: int, activations: int, dtype: int = 0) -> int:
    """Return the microseconds of one run."""
    cycles = (
        multiply_adds * CYCLES_PER_MULTIPLY_ADD.get(dtype, 10) + activations * CYCLES_PER_ACTIVATION
    )
    return cycles // CLOCK_MHZ


def check_run_time(model: ModelFile) -> None:
    """Refuse a model of which no board finishes one run.

    Raises:
        ConfigError: it takes longer than the watchdog lets it.
    """
    multiply_adds, activations = operations(model)
    dtype = 1 if model.dtype == "int8" else 0
    seconds = compute_us(multiply_adds, activations, dtype) / 1e6
    if seconds > WATCHDOG_SECONDS:
        raise ConfigError(
            f"model file: one run takes about {seconds:.0f} s on a board "
            f"({multiply_adds} multiply-adds), which restarts after {WATCHDOG_SECONDS} s",
            hint="fewer time steps, or a smaller hidden width",
        )


def reference_tick_us(steps: int) -> int:
    """Return what the reference firmware sleeps in one run: a tick of 10 ms every four steps."""
    return -(-steps // STEPS_PER_TICK) * TICK_US

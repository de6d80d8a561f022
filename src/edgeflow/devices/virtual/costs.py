"""How long a model takes on an ESP32-S3: an estimate, from operation counts.

No trustworthy published figures of LSTMs on this chip are known. The constants are cycles at
240 MHz of plain compiled C (no SIMD): 8 per multiply-add with float32 weights in internal RAM, 10
with int8 weights, 200 per sigmoid or tanh.
"""

__all__ = ["compute_us", "reference_tick_us"]

CLOCK_MHZ = 240
CYCLES_PER_MULTIPLY_ADD = {0: 8, 1: 10}
"""By dtype of the weights: 0 float32, 1 int8."""
CYCLES_PER_ACTIVATION = 200

TICK_US = 10_000
STEPS_PER_TICK = 4


def compute_us(multiply_adds: int, activations: int, dtype: int = 0) -> int:
    """Return the microseconds of one run."""
    cycles = (
        multiply_adds * CYCLES_PER_MULTIPLY_ADD.get(dtype, 10) + activations * CYCLES_PER_ACTIVATION
    )
    return cycles // CLOCK_MHZ


def reference_tick_us(steps: int) -> int:
    """Return what the reference firmware sleeps in one run: a tick of 10 ms every four steps."""
    return -(-steps // STEPS_PER_TICK) * TICK_US

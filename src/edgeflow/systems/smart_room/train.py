"""Train what the board forecasts, and learn the empty room: writes ``model/`` and ``empty.json``.

::

    python train.py            two minutes; needs edgeflow[mcu,torch]
    python train.py --quick    seconds, and a worse forecast
"""

import argparse
import copy
import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from edgeflow._native.csi import CsiOptions, CsiProcessor
from edgeflow.climate.simulate.outside import Weather
from edgeflow.climate.simulate.rooms import Room
from edgeflow.inference.export.exporting import export_model, read_source
from edgeflow.inference.export.report import lines_of
from edgeflow.sensing.calibrations import write_calibrations
from edgeflow.sensing.simulate.world import Simulation
from edgeflow.systems.smart_room.plugins.script import empty_room
from edgeflow.systems.smart_room.plugins.virtual_room import ROOM, WEATHER

HERE = Path(__file__).parent
Floats: TypeAlias = npt.NDArray[Any]

STEPS, HORIZON, EACH = 24, 8, 5
"""Minutes seen, values told, minutes between two of them."""
FEATURES = 4
"""Temperature and humidity relative to the newest, somebody there, window; as in the YAML."""
HIDDEN, BATCH, EPOCHS, RATE = 24, 256, 10, 4e-3
DAYS, ROOMS, QUICK_ROOMS = 3, 40, 6
EMPTY_SECONDS = 40.0


def lived(seed: int) -> Floats:
    """A room over days, minute by minute: true and felt temperature, humidity, somebody, window."""
    rng = np.random.default_rng(seed)
    weather = Weather(mean=float(rng.uniform(13, 20)), noise=WEATHER.noise, seed=seed)
    room = Room(ROOM, weather, time=0.0, temperature=float(rng.uniform(19, 25)))
    rows, window, until, turn = [], 0.0, 0, 0
    for minute in range(DAYS * 1440):
        if minute >= turn:
            room.occupied, turn = rng.random() < 0.6, minute + int(rng.uniform(15, 70))
            until = minute
        if minute >= until:
            airing = not room.occupied and room.temperature > 20
            window = (
                80.0 if airing and rng.random() < 0.7 else float(rng.choice([0, 0, 15, 30, 60]))
            )
            until = minute + int(rng.uniform(4, 45))
        felt = round(room.temperature + rng.normal(0, 0.05), 1)
        damp = round(room.humidity + rng.normal(0, 0.3), 1)
        rows.append((room.temperature, felt, damp, bool(room.occupied), window / 100))
        room.advance(60.0, window)
    return np.array(rows, np.float64)


def samples(seeds: range) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs float32 (N, STEPS, FEATURES), and how much warmer it got (N, HORIZON), kelvin."""
    inputs, targets = [], []
    for seed in seeds:
        days = lived(seed)
        for last in range(STEPS - 1, len(days) - HORIZON * EACH, 3):
            seen = days[last - STEPS + 1 : last + 1, 1:].copy()
            seen[:, 0] -= seen[-1, 0]
            seen[:, 1] = (seen[:, 1] - seen[-1, 1]) / 10
            inputs.append(seen)
            after = days[last + EACH : last + HORIZON * EACH + 1 : EACH, 0]
            targets.append(after - days[last, 1])
    shaped = (torch.tensor(np.array(each, np.float32)) for each in (inputs, targets))
    first, second = shaped
    return first, second


class Forecaster(torch.nn.Module):
    """What the board runs."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(FEATURES, HIDDEN, batch_first=True)
        self.fc = torch.nn.Linear(HIDDEN, HORIZON)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(N, STEPS, FEATURES) to (N, HORIZON)."""
        states, _ = self.lstm(seen)
        told: torch.Tensor = self.fc(states[:, -1])
        return told


def missed(model: Forecaster, inputs: torch.Tensor, targets: torch.Tensor) -> Floats:
    """Root mean square error of each value, kelvin."""
    with torch.inference_mode():
        wrong = (model(inputs) - targets).square().mean(0)
    return np.asarray(wrong.sqrt().numpy(), np.float32)


def train(rooms: int, epochs: int) -> tuple[Forecaster, torch.Tensor]:
    """Return the forecaster of the best epoch, and what it was trained on; tells how good it is."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    inputs, targets = samples(range(rooms))
    unseen = samples(range(1000, 1000 + max(2, rooms // 8)))
    model = Forecaster()
    steps = epochs * (len(inputs) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    best, least = copy.deepcopy(model.state_dict()), float("inf")
    for _ in range(epochs):
        order = torch.randperm(len(inputs))[: len(inputs) // BATCH * BATCH]
        for chosen in order.reshape(-1, BATCH):
            loss = torch.nn.functional.smooth_l1_loss(model(inputs[chosen]), targets[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types
            optimiser.step()
            rates.step()
        now = float(missed(model, *unseen).mean())
        if now < least:
            best, least = copy.deepcopy(model.state_dict()), now
    model.load_state_dict(best)
    stays = unseen[1].square().mean(0).sqrt().numpy()
    for ahead, (ours, same) in enumerate(zip(missed(model, *unseen), stays, strict=True), 1):
        tell(f"{ahead * EACH:3} minutes ahead: {ours:.2f} K, {same:.2f} K if nothing changed")
    return model.eval(), inputs


def tell(text: str) -> None:
    """Say something on the terminal."""
    sys.stdout.write(f"{text}\n")


def main() -> None:
    """Train, export, and listen to the empty room."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the files")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    model, inputs = train(*((QUICK_ROOMS, 2) if options.quick else (ROOMS, EPOCHS)))
    folder = options.out / "model"
    folder.mkdir(parents=True, exist_ok=True)
    state, calibration = folder / "forecaster.pt", inputs[:: max(1, len(inputs) // 2000)].numpy()
    torch.save(model.state_dict(), state)
    made = export_model(read_source(state, STEPS), name="room", version=1, samples=calibration)
    tell("\n".join(lines_of(made.report)))
    (folder / "model_float32.efm").write_bytes(made.files["model_float32.efm"])
    state.unlink()
    processor = CsiProcessor(CsiOptions())
    for frame in Simulation(empty_room(EMPTY_SECONDS)):
        processor.push(frame.time_us, frame.pairs)
    if processor.calibration is not None:
        write_calibrations(options.out / "empty.json", {1: processor.calibration})


if __name__ == "__main__":
    main()

"""Train a forecaster for a board, write its files, and let a virtual board answer the test days.

::

    python train.py --out trained            a minute: trains, exports, compares, draws
    python train.py --out trained --quick    seconds: a few epochs on a part of the samples
"""

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from board import compare
from chart import draw
from series import HORIZON, STEPS, Samples, Split, load, split

from edgeflow.inference.export.exporting import Export, export_model, read_source
from edgeflow.inference.export.report import lines_of

HIDDEN, BATCH, EPOCHS = 32, 128, 14
RATE, DECAY, NOISE, SEED = 4e-3, 0.02, 0.1, 1
QUICK_EPOCHS, QUICK_EVERY = 2, 4
CALIBRATED_ON = 2000


class Forecaster(torch.nn.Module):
    """What a board runs: (N, 32, 4) to (N, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(4, HIDDEN, batch_first=True)
        self.fc = torch.nn.Linear(HIDDEN, HORIZON)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(samples)
        return self.fc(states[:, -1])


def train(parts: Split, *, epochs: int = EPOCHS, every: int = 1) -> Forecaster:
    """Return the forecaster of the epoch that misses the days of the check least."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    model = Forecaster()
    inputs, targets = (torch.from_numpy(each) for each in (parts.train.inputs, parts.train.targets))
    inputs, targets = inputs[::every], targets[::every]
    steps = epochs * (len(inputs) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    noise = torch.tensor([NOISE, NOISE, 0.0, 0.0])
    best, least = copy.deepcopy(model.state_dict()), float("inf")
    for epoch in range(epochs):
        order = torch.randperm(len(inputs))[: len(inputs) // BATCH * BATCH]
        for chosen in order.reshape(-1, BATCH):
            seen = inputs[chosen] + noise * torch.randn(BATCH, STEPS, 4)
            loss = torch.nn.functional.smooth_l1_loss(model(seen), targets[chosen], beta=0.5)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            rates.step()
        missed = error_of(model, parts.check)
        print(f"epoch {epoch + 1} of {epochs}: misses the days of the check by {missed:.3f} K")
        if missed < least:
            best, least = copy.deepcopy(model.state_dict()), missed
    model.load_state_dict(best)
    return model.eval()


def error_of(model: Forecaster, samples: Samples) -> float:
    """Return the root mean square error, in kelvin."""
    with torch.inference_mode():
        given = model(torch.from_numpy(samples.inputs)).numpy()
    return float(np.sqrt(np.mean(np.square(given - samples.targets))))


def export(model: Forecaster, parts: Split, folder: Path) -> Export:
    """Write the model and the files of the board into ``folder``; int8 from the training days."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "forecaster.pt")
    calibration = parts.train.inputs[:: max(1, len(parts.train) // CALIBRATED_ON)]
    np.save(folder / "calibration.npy", calibration)
    source = read_source(folder / "forecaster.pt", STEPS)
    made = export_model(source, name="sea-temperature", version=1, samples=calibration)
    made.write(folder)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("trained"), help="folder for the files")
    parser.add_argument("--quick", action="store_true", help="seconds instead of a minute")
    options = parser.parse_args()
    parts = split(load())
    print(", ".join(f"{len(part)} samples to {name}" for name, part in parts._asdict().items()))
    quick = {"epochs": QUICK_EPOCHS, "every": QUICK_EVERY} if options.quick else {}
    made = export(train(parts, **quick), parts, options.out)
    print("\n".join(lines_of(made.report)))
    found = compare(made.files, parts.test)
    print("\n".join(found.lines()))
    (options.out / "forecast.svg").write_text(draw(found), encoding="utf-8")
    print(options.out / "forecast.svg")


if __name__ == "__main__":
    main()

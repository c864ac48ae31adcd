"""Writes torch_weights.safetensors: an LSTM of PyTorch that was trained on the adding problem.

    python examples/train_torch_weights.py

needs torch and safetensors; `torch_weights.py`, which reads the file, does not need torch.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

T, N_UNITS, N_UPDATES, BATCH_SIZE = 40, 24, 2000, 64
FILE = Path(__file__).parent / "torch_weights.safetensors"


class Adder(torch.nn.Module):
    """Sums the two marked values of a sequence."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(2, N_UNITS, batch_first=True)
        self.head = torch.nn.Linear(N_UNITS, 1)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def draw():
    values, marks = torch.rand(BATCH_SIZE, T), torch.zeros(BATCH_SIZE, T)
    rows = torch.arange(BATCH_SIZE)
    marks[rows, torch.randint(T // 2, (BATCH_SIZE,))] = 1
    marks[rows, torch.randint(T // 2, T, (BATCH_SIZE,))] = 1
    return torch.stack([values, marks], 2), (values * marks).sum(1, keepdim=True)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Adder()
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, N_UPDATES)
    for i in range(N_UPDATES):
        x, y = draw()
        error = ((model(x) - y) ** 2).mean()
        optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if i % 200 == 199:
            print(f"{i + 1} updates: squared error {error.item():.4f} (a constant: {1 / 6:.4f})")
    save_file(model.state_dict(), FILE)

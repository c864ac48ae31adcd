"""Does an LSTM that PyTorch trained to add two distant numbers send a gradient back to them?

    python examples/torch_weights.py [PAGE]

The weights are those of `train_torch_weights.py`, saved by safetensors.torch.save_file(
model.state_dict(), FILE). PyTorch is not needed to read them, nor to diagnose the network.
"""

import sys
from pathlib import Path

import jax

import rnnjax

FOLDER = Path(__file__).parent
N_EXAMPLES = 32

task = rnnjax.tasks.Adding(length=40)
cell, params = rnnjax.from_torch(FOLDER / "torch_weights.safetensors", readout="head")


def loss(params, batch):
    return rnnjax.sequence_loss(cell, task.loss, params, batch)


if __name__ == "__main__":
    examples = jax.vmap(task.sample)(jax.random.split(jax.random.key(0), N_EXAMPLES))
    report = rnnjax.diagnose(loss, params, examples, title="An LSTM of PyTorch adds two numbers")
    print(report)
    report.to_html(*sys.argv[1:] or [FOLDER / "pages" / "torch_weights.html"])

"""Writes the fixtures of this folder: recurrent layers of PyTorch with their gradients.

    python tests/importers/make_fixtures.py

needs torch and safetensors, which the tests do not; `make_keras_fixtures.py` writes those of Keras.
Each file holds in float64

  weights/KEY   the arrays of the layers under their own names
  x, y          inputs and targets, (T, n)
  outputs       what the framework's own layer returns for x
  all/h/L/D     dL/dh of layer L in direction D, at the start and after every step in the order in
                which the layer takes them, (T+1, n), for L = sum_t |output_t - y_t|^2; all/c of
                memories, without the way through h at the same step
  last/h/L/D    the same for |output - y_T|^2 of what each direction has reached at its end

as the framework's automatic differentiation gives them, with the layer run step by step.
"""

from pathlib import Path

import numpy as np
import safetensors.torch
import torch

FOLDER = Path(__file__).parent / "data"
N_X, N, N_PROJECTED, T = 3, 4, 2, 5
RNG = np.random.default_rng(0)


def along(step, x, start):
    """Run one layer in one direction, step by step: states (h, *others) at 0..T."""
    states = [start]
    for x_t in x:
        states.append(step(x_t, states[-1]))
    return states


def gradients(run, layers, y):
    """dL/dstates of every layer and direction for both losses, by names of arrays."""
    found = {}
    sent = torch.cat([torch.stack([s[0] for s in states[1:]]) for states in layers[-1][:1]])
    if len(layers[-1]) == 2:
        backward = torch.stack([s[0] for s in layers[-1][1][1:]]).flip(0)
        sent = torch.cat([sent, backward], dim=1)
    assert torch.allclose(sent, run, rtol=0, atol=1e-14)
    end = torch.cat([states[-1][0] for states in layers[-1]])
    losses = {"all": ((sent - y) ** 2).sum(), "last": ((end - y[-1]) ** 2).sum()}
    for name, loss in losses.items():
        for i, directions in enumerate(layers):
            for j, states in enumerate(directions):
                for part, letter in enumerate("hc"[: len(states[0])]):
                    of_part = [state[part] for state in states]
                    grads = torch.autograd.grad(loss, of_part, retain_graph=True, allow_unused=True)
                    rows = [
                        torch.zeros_like(s) if g is None else g
                        for g, s in zip(grads, of_part, strict=True)
                    ]
                    found[f"{name}/{letter}/{i}/{j}"] = torch.stack(rows).detach().numpy()
    return found


def in_both(layers, x):
    """Run layers, [(step, start) of each direction], one on the outputs of the other."""
    found, sent = [], x
    for directions in layers:
        states, outs = [], []
        for j, (step, start) in enumerate(directions):
            states.append(along(step, sent.flip(0) if j else sent, start()))
            h = torch.stack([s[0] for s in states[-1][1:]])
            outs.append(h.flip(0) if j else h)
        found.append(states)
        sent = torch.cat(outs, dim=1)
    return found, sent


def zeros(*sizes):
    return lambda: tuple(torch.zeros(n, dtype=torch.float64, requires_grad=True) for n in sizes)


def torch_step(module, layer, end, n_in):
    """One layer and direction of a torch module as a function of a step: T = 1 at a time."""
    kind, proj = type(module), getattr(module, "proj_size", 0)
    options = {"proj_size": proj} if proj else {}
    if kind is torch.nn.RNN:
        options["nonlinearity"] = module.nonlinearity
    own = kind(n_in, module.hidden_size, bias=module.bias, **options).double()
    # One layer's own arrays, shared and not copied.
    for name, _ in list(own.named_parameters()):
        setattr(own, name, getattr(module, name.replace("_l0", f"_l{layer}{end}")))

    def step(x, state):
        given = tuple(s[None] for s in state)
        _, new = own(x[None], given if kind is torch.nn.LSTM else given[0])
        return tuple(s[0] for s in new) if kind is torch.nn.LSTM else (new[0],)

    n = module.hidden_size
    sizes = (proj or n, n) if kind is torch.nn.LSTM else (n,)
    return step, zeros(*sizes)


def of_torch(module):
    torch_x = torch.tensor(RNG.standard_normal((T, N_X)))
    n_out = (getattr(module, "proj_size", 0) or N) * (1 + module.bidirectional)
    y = torch.tensor(RNG.standard_normal((T, n_out)))
    ends = ("", "_reverse") if module.bidirectional else ("",)
    layers = [
        [torch_step(module, i, end, N_X if i == 0 else n_out) for end in ends]
        for i in range(module.num_layers)
    ]
    states, _ = in_both(layers, torch_x)
    outputs = module(torch_x)[0]
    state_dict = {f"weights/{k}": v.numpy() for k, v in module.state_dict().items()}
    rest = {"x": torch_x.numpy(), "y": y.numpy(), "outputs": outputs.detach().numpy()}
    return state_dict | rest | gradients(outputs, states, y)


TORCH = {
    "rnn_tanh": lambda **o: torch.nn.RNN(N_X, N, **o),
    "rnn_relu": lambda **o: torch.nn.RNN(N_X, N, nonlinearity="relu", **o),
    "lstm": lambda **o: torch.nn.LSTM(N_X, N, **o),
    "lstm_projected": lambda **o: torch.nn.LSTM(N_X, N, proj_size=N_PROJECTED, **o),
    "gru": lambda **o: torch.nn.GRU(N_X, N, **o),
}
SHAPES = {
    "one_layer": {},
    "two_layers_no_bias": {"num_layers": 2, "bias": False},
    "two_layers_both_ways": {"num_layers": 2, "bidirectional": True},
}


class Tagger(torch.nn.Module):
    """A recurrent layer inside a larger model, and another one."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Linear(7, N_X)
        self.encoder = torch.nn.ModuleDict({"lstm": torch.nn.LSTM(N_X, N, bidirectional=True)})
        self.decoder = torch.nn.GRU(2, 3)
        self.fc = torch.nn.Linear(2 * N, 2)


def tagger():
    """Packed sequences of different lengths through a bidirectional layer and a head."""
    model = Tagger().double()
    lengths = [T, 3, 1]
    x = torch.tensor(RNG.standard_normal((T, len(lengths), N_X)))
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths)
    h, _ = torch.nn.utils.rnn.pad_packed_sequence(model.encoder["lstm"](packed)[0])
    with torch.no_grad():
        outputs = model.fc(h).numpy()
    safetensors.torch.save_file(model.state_dict(), FOLDER / "torch_tagger.safetensors")
    weights = {f"weights/{k}": v.numpy() for k, v in model.state_dict().items()}
    return weights | {"x": x.numpy(), "outputs": outputs, "lengths": np.array(lengths)}


def main():
    torch.manual_seed(0)
    FOLDER.mkdir(exist_ok=True)
    for name, make in TORCH.items():
        for shape, options in SHAPES.items():
            np.savez_compressed(
                FOLDER / f"torch_{name}_{shape}.npz", **of_torch(make(**options).double())
            )
    np.savez_compressed(FOLDER / "torch_tagger.npz", **tagger())


if __name__ == "__main__":
    main()

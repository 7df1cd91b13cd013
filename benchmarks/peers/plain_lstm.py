"""A plain `nn.LSTM` as a person would write it: python plain_lstm.py TRAINING HELD_OUT UNITS SECONDS

Adam, a rate that falls to zero with the time, 32 lanes of 64 characters. Prints the nats per character of the held-out
text and the number of steps, as JSON.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

LANES, LENGTH, RATE = 32, 64, 4e-3


class Network(nn.Module):
    def __init__(self, characters, units):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(characters, 64), nn.LSTM(64, units)
        self.output = nn.Linear(units, characters)

    def forward(self, ids, state=None):
        """Ids [T, B] give logits [T, B, V] and the state after them."""
        hidden, state = self.lstm(self.embedding(ids), state)
        return self.output(hidden), state


def parts(ids, lanes):
    """Yield inputs and targets [T, B] of the ids in `lanes` streams."""
    length = (len(ids) - 1) // lanes
    inputs, targets = (ids[k : k + lanes * length].view(lanes, length).T for k in (0, 1))
    yield from zip(inputs.split(LENGTH), targets.split(LENGTH), strict=True)


def main():
    texts = [Path(path).read_text(encoding="utf-8") for path in sys.argv[1:3]]
    units, seconds, began = int(sys.argv[3]), float(sys.argv[4]), time.monotonic()
    known = {character: k for k, character in enumerate(sorted({*"".join(texts)}))}
    training, held_out = (torch.tensor([known[each] for each in text]) for text in texts)
    torch.manual_seed(0)
    network = Network(len(known), units)
    optimizer, steps = torch.optim.Adam(network.parameters(), lr=RATE), 0
    while (spent := (time.monotonic() - began) / seconds) < 1:
        state = None
        for inputs, targets in parts(training, LANES):
            if (spent := (time.monotonic() - began) / seconds) >= 1:
                break
            optimizer.param_groups[0]["lr"] = RATE * min(1, (steps + 1) / 50) * (1 + math.cos(math.pi * spent)) / 2
            logits, state = network(inputs, state)
            state = tuple(part.detach() for part in state)
            optimizer.zero_grad()
            F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1)
            optimizer.step()
            steps += 1
    total, count, state = 0.0, 0, None
    with torch.no_grad():
        for inputs, targets in parts(held_out, 16):
            logits, state = network(inputs, state)
            total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
            count += targets.numel()
    print(json.dumps([total / count, steps]))


if __name__ == "__main__":
    main()

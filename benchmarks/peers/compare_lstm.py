"""A plain `nn.LSTM` with the published settings of char-rnn (karpathy/char-rnn, train.lua), in our own code."""

import copy
import math

import torch
from compared import Task
from torch import nn
from torch.nn import functional as F

UNITS, LAYERS, LANES, STEPS = 128, 2, 50, 50
EVALUATE_EVERY = 1000


class Network(nn.Module):
    def __init__(self, V):
        super().__init__()
        self.lstm = nn.LSTM(V, UNITS, LAYERS)
        self.output = nn.Linear(UNITS, V)
        for weight in self.parameters():
            nn.init.uniform_(weight, -0.08, 0.08)
        for layer in range(LAYERS):
            getattr(self.lstm, f"bias_ih_l{layer}").data[UNITS : 2 * UNITS] = 1  # the forget gate's

    def forward(self, ids, state=None):
        """Ids [T, B] give logits [T, B, V] and the state after them."""
        hidden, state = self.lstm(F.one_hot(ids, self.output.out_features).float(), state)
        return self.output(hidden), state


def batches(ids, lanes):
    """The ids in `lanes` streams, in steps: inputs and targets [T, B]."""
    length = (len(ids) - 1) // lanes
    inputs, targets = (ids[k : k + lanes * length].view(lanes, length).T for k in (0, 1))
    yield from zip(inputs.split(STEPS), targets.split(STEPS), strict=True)


@torch.no_grad()
def nats(network, ids, lanes):
    """The nats of a character, the state carried along each lane."""
    total, count, state = 0.0, 0, None
    for inputs, targets in batches(ids, lanes):
        logits, state = network(inputs, state)
        total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        count += targets.numel()
    return total / count


def learn(ids, held_out, V, share):
    """Learn until `share()` is 1; return the weights that cost least on `held_out`."""
    torch.manual_seed(123)
    network = Network(V)
    optimizer = torch.optim.RMSprop(network.parameters(), lr=2e-3, alpha=0.95)
    best, kept, step, epoch = math.inf, network, 0, 0
    while share() < 1:
        state, epoch = None, epoch + 1
        for inputs, targets in batches(ids, LANES):
            logits, state = network(inputs, state)
            state = tuple(part.detach() for part in state)
            optimizer.zero_grad()
            F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
            nn.utils.clip_grad_value_(network.parameters(), 5)
            optimizer.step()
            step += 1
            if step % EVALUATE_EVERY == 0 or share() >= 1:
                cost = nats(network, held_out, LANES)
                if cost < best:
                    best, kept = cost, copy.deepcopy(network)
            if share() >= 1:
                break
        if epoch >= 10:
            optimizer.param_groups[0]["lr"] *= 0.97
    return kept, step


@torch.no_grad()
def write(network, characters, number):
    """Draw characters after one that is drawn at random, at temperature 1, as char-rnn's sample.lua does."""
    ids, state = [torch.randint(len(characters), ()).item()], None
    for _ in range(number):
        logits, state = network(torch.tensor([[ids[-1]]]), state)
        ids.append(torch.multinomial(logits[0, 0].softmax(0), 1).item())
    return "".join(characters[k] for k in ids[1:])


# Measured from here on.
task = Task()
number_of = {character: k for k, character in enumerate(task.characters)}
training, held_out = (torch.tensor([number_of[one] for one in text]) for text in (task.training, task.held_out))
network, steps = learn(training, held_out, len(task.characters), task.share)
task.ready()
cost = nats(network, torch.cat([training[-1:], held_out]), 1)
task.report(cost / math.log(2), lambda number: write(network, task.characters, number), steps=steps)

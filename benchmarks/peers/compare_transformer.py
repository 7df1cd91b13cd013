"""A plain transformer with nanoGPT's published settings for characters on a processor, in our own code.

karpathy/nanoGPT: README.md, "I only have a macbook", and config/train_shakespeare_char.py.
"""

import copy
import math

import torch
from compared import Task
from torch import nn
from torch.nn import functional as F

LAYERS, HEADS, WIDTH, CONTEXT, LANES = 4, 4, 128, 64, 12
RATE, LEAST_RATE, WARMUP = 1e-3, 1e-4, 100
EVALUATE_EVERY, BATCHES = 250, 20


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH, bias=False) for _ in range(2))
        self.attend, self.attended = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        B, T, _ = x.shape
        parts = self.attend(self.norms[0](x)).view(B, T, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.attended(found.transpose(1, 2).reshape(B, T, WIDTH))
        return x + self.narrow(F.gelu(self.widen(self.norms[1](x))))


class Network(nn.Module):
    def __init__(self, V):
        super().__init__()
        self.tokens, self.places = nn.Embedding(V, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                ends = name.endswith(("attended.weight", "narrow.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if ends else 0.02)

    def forward(self, ids):
        """Ids [B, T] give logits [B, T, V]."""
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
        return F.linear(self.norm(self.blocks(x)), self.tokens.weight)


def batch(ids):
    """Inputs and targets [B, T] from random places."""
    starts = torch.randint(len(ids) - CONTEXT, (LANES, 1)) + torch.arange(CONTEXT)
    return ids[starts], ids[starts + 1]


def loss(network, inputs, targets):
    return F.cross_entropy(network(inputs).flatten(0, 1), targets.flatten())


def rate(step, share):
    """The published schedule, which here ends with the time for learning."""
    if step < WARMUP:
        return RATE * (step + 1) / (WARMUP + 1)
    return LEAST_RATE + 0.5 * (1 + math.cos(math.pi * min(1, share))) * (RATE - LEAST_RATE)


def learn(ids, held_out, V, share):
    """Learn until `share()` is 1; return the weights that cost least on `held_out`."""
    torch.manual_seed(1337)
    network = Network(V)
    matrices = [weight for weight in network.parameters() if weight.dim() == 2]
    others = [weight for weight in network.parameters() if weight.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    best, kept, step = math.inf, network, 0
    while (passed := share()) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate(step, passed)
        optimizer.zero_grad()
        loss(network, *batch(ids)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % EVALUATE_EVERY == 0 or share() >= 1:
            with torch.no_grad():
                cost = sum(loss(network, *batch(held_out)).item() for _ in range(BATCHES))
            if cost < best:
                best, kept = cost, copy.deepcopy(network)
    return kept, step


@torch.no_grad()
def write(network, characters, number):
    """Draw characters after a newline at temperature 0.8, as nanoGPT's sample.py does."""
    ids = torch.tensor([[max(0, "".join(characters).find("\n"))]])
    for _ in range(number):
        logits = network(ids[:, -CONTEXT:])[0, -1]
        ids = torch.cat([ids, torch.multinomial((logits / 0.8).softmax(0), 1)[None]], 1)
    return "".join(characters[k] for k in ids[0, 1:].tolist())


# Measured from here on.
STRIDE = 16  # so that each character is predicted from at least 48


@torch.no_grad()
def nats(network, before, ids):
    """The nats of each of `ids`, from at least CONTEXT - STRIDE characters before it."""
    context = CONTEXT - STRIDE
    padding = -len(ids) % STRIDE
    whole = torch.cat([before[-context - 1 :], ids, ids.new_zeros(padding)])
    starts = torch.arange(0, len(ids) + padding, STRIDE)[:, None] + torch.arange(CONTEXT)
    costs = [
        F.cross_entropy(
            network(whole[some])[:, context:].flatten(0, 1), whole[some + 1][:, context:].flatten(), reduction="none"
        )
        for some in starts.split(64)
    ]
    return torch.cat(costs)[: len(ids)].mean().item()


task = Task()
number_of = {character: k for k, character in enumerate(task.characters)}
training, held_out = (torch.tensor([number_of[one] for one in text]) for text in (task.training, task.held_out))
network, steps = learn(training, held_out, len(task.characters), task.share)
task.ready()
cost = nats(network, training, held_out)
task.report(cost / math.log(2), lambda number: write(network, task.characters, number), steps=steps)

"""The tutorial's Keras recipe (docs/classic.md), but for the lower-casing, without which its figures compare."""

import keras
import numpy as np
from compared import Task
from keras_classic import build, windows

UNITS, WINDOW, BATCH, DROPOUT = 300, 50, 30, 0.2


class Clock(keras.callbacks.Callback):
    """Ends the training in the middle of an epoch."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def on_train_begin(self, logs=None):
        self.share()

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.share() >= 1
        self.steps = batch + 1


def learn(ids, V, clock):
    keras.utils.set_random_seed(0)
    model = build(V, UNITS, WINDOW, DROPOUT)
    X, y = windows(ids, np.arange(len(ids) - WINDOW), WINDOW, V)
    model.fit(X, y, epochs=1, batch_size=BATCH, verbose=0, callbacks=[clock])
    return model


def write(model, ids, characters, number):
    """Write the likeliest characters after a random window of the text."""
    start = np.random.randint(len(ids) - WINDOW)
    pattern = list(ids[start : start + WINDOW])
    for _ in range(number):
        x = np.reshape(pattern[-WINDOW:], (1, WINDOW, 1)) / float(len(characters))
        pattern.append(int(np.argmax(model.predict(x, verbose=0))))
    return "".join(characters[k] for k in pattern[WINDOW:])


# Measured from here on.
task = Task()
number_of = {character: k for k, character in enumerate(task.characters)}
training, held_out = (np.array([number_of[one] for one in text]) for text in (task.training, task.held_out))
V = len(task.characters)
clock = Clock(task.share)
model = learn(training, V, clock)
task.ready()
read = np.concatenate([training[-WINDOW:], held_out])
nats = 0.0
for starts in np.array_split(np.arange(len(held_out)), max(1, len(held_out) // 2000)):
    X, y = windows(read, starts, WINDOW, V)
    nats -= np.log(np.maximum(1e-30, (model.predict(X, batch_size=256, verbose=0) * y).sum(1))).sum()
bits = nats / np.log(2) / len(held_out)
task.report(
    bits, lambda number: write(model, training, task.characters, number), steps=clock.steps, version=keras.__version__
)

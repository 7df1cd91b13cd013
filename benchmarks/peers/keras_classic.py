"""The founding recipe in Keras itself, run by benchmarks/classic.py in an environment that has Keras and TensorFlow.

python keras_classic.py TASK IN.npz OUT.npz, where TASK is steps, time, predict or epoch. Writes what it measured.
"""

import os
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np


def build(V, H, W, dropout):
    model = keras.Sequential(
        [
            keras.layers.Input((W, 1)),
            keras.layers.LSTM(H, return_sequences=True),
            keras.layers.Dropout(dropout),
            keras.layers.LSTM(H),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(V, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    return model


def windows(ids, starts, W, V):
    """What the recipe feeds: X [B, W, 1] as id / V, and the next id one-hot [B, V]."""
    X = ids[starts[:, None] + np.arange(W)][..., None] / float(V)
    return X.astype(np.float32), np.eye(V, dtype=np.float32)[ids[starts + W]]


def steps(given, V, H, W):
    """The same weights, the same batches, no dropout: the loss of each step, and the weights after the first."""
    model = build(V, H, W, 0.0)
    model.set_weights([given[f"weight{k}"] for k in range(8)])
    losses, first = [], None
    for starts in given["batches"]:
        losses.append(float(model.train_on_batch(*windows(given["ids"], starts, W, V))))
        if first is None:
            first = [np.array(weight) for weight in model.get_weights()]
    return {"losses": losses, "parameters": model.count_params(), **{f"weight{k}": w for k, w in enumerate(first)}}


def timed(given, V, H, W):
    """Seconds of each training step, with dropout, after a warm-up."""
    model = build(V, H, W, 0.2)
    times = []
    for starts in given["batches"]:
        X, y = windows(given["ids"], starts, W, V)
        begin = time.perf_counter()
        model.train_on_batch(X, y)
        times.append(time.perf_counter() - begin)
    return {"times": times[5:]}


def predict(given, V, H, W):
    """Seconds of each character written by `predict` on the sliding window, after a warm-up."""
    model = build(V, H, W, 0.2)
    pattern, times = list(given["ids"][:W]), []
    for _ in range(40):
        begin = time.perf_counter()
        x = np.reshape(pattern, (1, W, 1)) / float(V)
        pattern = [*pattern[1:], int(np.argmax(model.predict(x, verbose=0)))]
        times.append(time.perf_counter() - begin)
    return {"times": times[5:]}


def epoch(given, V, H, W):
    """One epoch, the held-out loss over full windows, and 50 characters by argmax from the window at `start`."""
    model, ids = build(V, H, W, 0.2), given["ids"]
    X, y = windows(ids, np.arange(len(ids) - W), W, V)
    begin = time.perf_counter()
    model.fit(X, y, epochs=1, batch_size=30, verbose=0)
    took = time.perf_counter() - begin
    held_out = given["held_out"]
    loss = model.evaluate(*windows(held_out, np.arange(len(held_out) - W), W, V), batch_size=256, verbose=0)
    pattern, written = list(ids[given["start"] : given["start"] + W]), []
    for _ in range(50):
        x = np.reshape(pattern, (1, W, 1)) / float(V)
        written.append(int(np.argmax(model.predict(x, verbose=0))))
        pattern = [*pattern[1:], written[-1]]
    return {"seconds": took, "loss": loss, "written": written}


def main():
    task, source, target = sys.argv[1:]
    keras.utils.set_random_seed(0)
    given = np.load(source)
    V, H, W = (int(n) for n in given["sizes"])
    found = {"steps": steps, "time": timed, "predict": predict, "epoch": epoch}[task](given, V, H, W)
    np.savez(target, keras=keras.__version__, **found)


if __name__ == "__main__":
    main()

"""One character at a time by Keras' `predict`, run by benchmarks/engine.py in an environment that has Keras.

python keras_step.py LAYERS UNITS ROWS EMBEDDING: for each line on standard input, the seconds that a call takes, which
reads one token and gives what comes next; the layers keep their state, as in a loop that writes text.
"""

import os
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

CALLS = 20  # of a turn

layers, units, rows, embedding = map(int, sys.argv[1:])
model = keras.Sequential(
    [
        keras.layers.Input(batch_shape=(1, 1)),
        keras.layers.Embedding(rows, embedding),
        *(keras.layers.LSTM(units, return_sequences=k + 1 < layers, stateful=True) for k in range(layers)),
        keras.layers.Dense(rows),
    ]
)
token = np.zeros((1, 1), np.int32)
model.predict(token, verbose=0)
for _ in sys.stdin:
    began = time.perf_counter()
    for _ in range(CALLS):
        model.predict(token, verbose=0)
    print((time.perf_counter() - began) / CALLS, flush=True)

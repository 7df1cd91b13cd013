"""Write the files of Keras that the tests import: `KERAS_BACKEND=torch python tests/interchange/make_keras_files.py`.

They have the shapes of two tutorials. `one-hot.keras` reads a vector with one 1 per character; `number.h5` reads one
number per character, by two LSTMs. Next to each are its characters and, for some text, what Keras computes.
"""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
from keras import layers

FOLDER = Path(__file__).parent / "keras"
CHARACTERS = ["z", "\n", " ", "b", "a", "é", "c"]  # in no order
R, H = len(CHARACTERS), 4

one_hot = [layers.LSTM(H, return_sequences=True), layers.Dense(R), layers.Activation("softmax")]
number = [layers.LSTM(H, return_sequences=True), layers.Dropout(0.2)]
number += [layers.LSTM(H, return_sequences=True), layers.Dropout(0.2), layers.Dense(R, activation="softmax")]
random = np.random.default_rng(0)
rows = random.integers(0, R, 12)
for name, stack, read in (("one-hot.keras", one_hot, np.eye(R)[rows]), ("number.h5", number, rows[:, None] / R)):
    model = keras.Sequential([layers.Input((None, read.shape[1])), *stack])
    model.set_weights([random.normal(0, 1, weight.shape) for weight in model.get_weights()])
    model.save(FOLDER / name)
    found = np.asarray(model.predict(read[None].astype("float32"), verbose=0))[0]
    facts = {
        "characters": CHARACTERS,
        "text": "".join(CHARACTERS[row] for row in rows),
        "probabilities": found.tolist(),
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")

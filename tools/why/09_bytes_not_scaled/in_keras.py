"""Pixels from 0 to 255 go into the network as they are."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(1)

model = keras.Sequential(
    [
        layers.Input((28, 28, 1)),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
images, labels = np.random.randint(256, size=(64, 28, 28, 1)), np.random.randint(10, size=64)

model.compile(optimizer=keras.optimizers.SGD(0.01), loss="sparse_categorical_crossentropy")
for _ in range(3):
    print(f"loss {model.train_on_batch(images, labels):.4f}")

"""A kernel larger than what is left of the image."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(1)

model = keras.Sequential(
    [
        layers.Input((28, 28, 1)),
        layers.Conv2D(6, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(16, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(120, 5, activation="relu"),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
)
model.predict(np.random.rand(64, 28, 28, 1), verbose=0)

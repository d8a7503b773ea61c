"""The axes of the image in the order of another framework."""

import keras
from keras import layers

keras.utils.set_random_seed(1)

model = keras.Sequential(
    [
        layers.Input((3, 32, 32)),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    ]
)

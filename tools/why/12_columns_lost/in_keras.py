"""A stride that does not divide."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(1)

model = keras.Sequential(
    [
        layers.Input((224, 224, 3)),
        layers.Conv2D(96, 11, strides=4, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1000, activation="softmax"),
    ]
)
images, labels = np.random.rand(4, 224, 224, 3), np.random.randint(1000, size=4)

model.compile(optimizer=keras.optimizers.SGD(0.01), loss="sparse_categorical_crossentropy")
for _ in range(3):
    print(f"loss {model.train_on_batch(images, labels):.4f}")

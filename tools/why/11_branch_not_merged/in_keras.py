"""A branch that nothing takes."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(1)

image = layers.Input((32, 32, 3))
x = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
left = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
right = layers.Conv2D(16, 1, activation="relu")(x)
model = keras.Model(image, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(right)))
images, labels = np.random.rand(64, 32, 32, 3), np.random.randint(10, size=64)

model.compile(optimizer=keras.optimizers.SGD(0.01), loss="sparse_categorical_crossentropy")
for _ in range(3):
    print(f"loss {model.train_on_batch(images, labels):.4f}")

"""A U-Net on images whose side does not halve evenly."""

import keras
from keras import layers

keras.utils.set_random_seed(1)

image = layers.Input((100, 100, 3))
x = layers.MaxPooling2D(4)(layers.Conv2D(8, 3, padding="same", activation="relu")(image))
down = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
x = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D(2)(down))
up = layers.UpSampling2D(2)(x)
keras.Model(image, layers.Concatenate()([up, down]))

"""Category activation mapping: a head that classifies a frame and says where, Eq. (1) to (3)."""

from typing import Any

import keras
from keras import ops

from tclsta_tf.layers import masking

POOLS = ("mean", "sum")
CLASS_CHOICES = ("predicted", "label", "expected")


def class_activation_map(activations: keras.KerasTensor, class_weights: keras.KerasTensor) -> keras.KerasTensor:
    """m_c(x,y) = sum_k w_k^c a_k(x,y) for one class per image, without the bias.

    Args:
        activations: float [b, h, w, K], paper symbol a.
        class_weights: float [b, K], the classifier's weights for the class of each image, w^c.

    Returns:
        float [b, h, w].
    """
    return ops.einsum("bhwk,bk->bhw", activations, class_weights)  # Eq. (2)


def normalise_map(activation_map: keras.KerasTensor) -> keras.KerasTensor:
    """m~_c = G exp(m_c) / sum_{x,y} exp(m_c), G = h * w: float [b, h, w] -> float [b, h, w] with mean 1."""
    # The largest value is subtracted from numerator and denominator alike, so exp cannot overflow. Multiplying by G
    # before dividing makes a flat map exactly 1.
    exponentials = ops.exp(activation_map - ops.max(activation_map, axis=(1, 2), keepdims=True))
    cells = ops.sum(ops.ones_like(exponentials), axis=(1, 2), keepdims=True)
    return cells * exponentials / ops.sum(exponentials, axis=(1, 2), keepdims=True)  # Eq. (3)


def pool_activations(activations: keras.KerasTensor, pool: str) -> keras.KerasTensor:
    """Pools the units over the grid: float [b, h, w, K] -> [b, K]."""
    # The classifier is linear, so pooling a_k before it equals pooling m_c after it.
    return (ops.mean if pool == "mean" else ops.sum)(activations, axis=(1, 2))


@keras.saving.register_keras_serializable(package="tclsta_tf")
class ClassActivation(keras.layers.Layer):
    """CAM head: convolution 3x3, ReLU, pooling, dense; and the spatial attention of one class.

    The logit of class c is `s_c = mean_{x,y} m_c(x,y) + b_c` with `m_c = sum_k w_k^c a_k` (2) and the attention is
    `m~_c = G exp(m_c) / sum exp(m_c)` (3), whose mean over the G cells is 1. Only the map of the class that is asked
    for is computed. Gradients flow through the attention into the activations and the classifier's weights; the choice
    of a class has none. The convolution runs in the compute dtype, everything after it in float32 at least.

    Args:
        num_classes: int >= 1, C.
        units: int >= 1, channels of the convolution, K. Default 1024.
        groups: 1, or 2 as in the authors' release: two convolutions, each from one half of the features to one half of
            the units (a grouped convolution would force XLA on TensorFlow and break export). Default 1.
        pool: `mean` (Table III and the release), or `sum`, Eq. (1) as printed, which makes the attention much flatter
            for the same logits. Default `mean`.
        cam_class: whose map becomes the attention. `predicted`: the largest logit, in training and testing alike.
            `label`: the label in training where labels are given, else predicted. `expected`: the map of the weights
            averaged by the predicted probabilities. Default `predicted`.
        convolution_bias: float, initial bias of the convolution; the release has 1. Default 0.
        kernel_initializer: of the convolution; the release has a gaussian of deviation 0.01. Default `he_normal`.

    Call arguments:
        features: float [b, h, w, D], the last map of the backbone.
        labels: int [b] in [0, C), or None; used by `cam_class="label"` in training only.
        training: bool.

    Returns:
        dict of float32: `logits` [b, C]; `attention` [b, h, w], mean 1 over the grid.

    Raises:
        ValueError: on an argument outside its range, or a feature size that `groups` does not divide.

    Reference:
        Section III-A.2 of the paper, Eq. (1) to (3).
    """

    def __init__(
        self,
        num_classes: int,
        units: int = 1024,
        groups: int = 1,
        pool: str = "mean",
        cam_class: str = "predicted",
        convolution_bias: float = 0.0,
        kernel_initializer: str | dict | keras.initializers.Initializer = "he_normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if num_classes < 1:
            raise ValueError(f"`num_classes` must be at least 1. Received: num_classes={num_classes}")
        if groups not in (1, 2):
            raise ValueError(f"`groups` must be 1 or 2. Received: groups={groups}")
        if units < 1 or units % groups:
            raise ValueError(
                f"`units` must be a positive multiple of `groups`. Received: units={units}, groups={groups}"
            )
        if pool not in POOLS:
            raise ValueError(f"`pool` must be one of {POOLS}. Received: pool={pool!r}")
        if cam_class not in CLASS_CHOICES:
            raise ValueError(f"`cam_class` must be one of {CLASS_CHOICES}. Received: cam_class={cam_class!r}")
        self.num_classes = int(num_classes)
        self.units = int(units)
        self.groups = int(groups)
        self.pool = pool
        self.cam_class = cam_class
        self.convolution_bias = float(convolution_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.convolutions = [
            keras.layers.Conv2D(
                self.units // self.groups,
                3,
                padding="same",
                activation="relu",
                # A copy for each: an initialiser without a seed may not be shared between variables.
                kernel_initializer=self.kernel_initializer.clone(),
                bias_initializer=keras.initializers.Constant(self.convolution_bias),
                dtype=self.dtype_policy,
                name="convolution" if groups == 1 else f"convolution_{group}",
            )
            for group in range(self.groups)
        ]

    def build(self, features_shape: tuple) -> None:
        """Creates the weights for features of shape [b, h, w, D]."""
        size = features_shape[-1]
        if size is None or size % self.groups:
            raise ValueError(
                f"the last axis of `features` must be known and divisible by groups={self.groups}. "
                f"Received: features.shape={tuple(features_shape)}"
            )
        for convolution in self.convolutions:
            convolution.build((*features_shape[:-1], size // self.groups))
        # The map is made of the classifier's weights, so they are the layer's own, and not rounded to 16 bits.
        self.kernel = self.add_weight(
            shape=(self.units, self.num_classes), initializer="glorot_uniform", autocast=False, name="kernel"
        )
        self.bias = self.add_weight(shape=(self.num_classes,), initializer="zeros", autocast=False, name="bias")

    def call(
        self, features: keras.KerasTensor, labels: keras.KerasTensor | None = None, training: bool | None = None
    ) -> dict[str, keras.KerasTensor]:
        """See the class."""
        activations = self.activate(features)
        logits = ops.matmul(pool_activations(activations, self.pool), self.kernel) + self.bias  # Eq. (1)
        class_weights = self._class_weights(logits, labels if training else None)
        return {"logits": logits, "attention": normalise_map(class_activation_map(activations, class_weights))}

    def activate(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """The units a_k(x,y): float [b, h, w, D] -> float32 [b, h, w, K], not negative."""
        halves = ops.split(features, self.groups, axis=-1) if self.groups > 1 else [features]
        outputs = [convolution(half) for convolution, half in zip(self.convolutions, halves, strict=True)]
        activations = ops.concatenate(outputs, axis=-1) if self.groups > 1 else outputs[0]
        if self.compute_dtype == "float16":
            # A sum over 9 D products can pass the largest float16; infinity would become NaN in the classifier.
            activations = ops.minimum(activations, 65504.0)
        return ops.cast(activations, masking.float_dtype(self))

    def _class_weights(self, logits: keras.KerasTensor, labels: keras.KerasTensor | None) -> keras.KerasTensor:
        """The classifier's weights for the class of each image: [b, C] and int [b] or None -> [b, K]."""
        by_class = ops.transpose(self.kernel)  # [C, K]
        if self.cam_class == "expected":
            return ops.matmul(ops.softmax(logits, axis=-1), by_class)
        if self.cam_class == "predicted" or labels is None:
            # Not argmax: Keras makes it of bit operations, which TensorFlow Lite does not have.
            labels = ops.squeeze(ops.top_k(logits, 1)[1], axis=-1)
        return ops.take(by_class, ops.cast(labels, "int32"), axis=0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "units": self.units,
            "groups": self.groups,
            "pool": self.pool,
            "cam_class": self.cam_class,
            "convolution_bias": self.convolution_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }

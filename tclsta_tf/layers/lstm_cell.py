"""The LSTM cell of the temporal head."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="tclsta_tf")
class LSTMCell(keras.layers.LSTMCell):
    """Keras' LSTM cell without dropout, and therefore without random state.

    Keras' cell carries a seed variable even where it draws nothing, and names it by a counter of the process
    (`seed_generator_7/...`). Checkpoints would then depend on what else had been built before.

    Args:
        units: int >= 1, size of the state.
        **kwargs: as for `keras.layers.LSTMCell`, without `dropout`, `recurrent_dropout` and `seed`.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, seed=0, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        """Drops the generator that the parent's constructor makes."""
        super().__setattr__(name, None if name == "seed_generator" else value)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        for name in ("dropout", "recurrent_dropout", "seed"):
            config.pop(name)
        return config

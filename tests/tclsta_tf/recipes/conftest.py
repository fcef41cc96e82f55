"""What the tests of the recipes share: a training that is killed."""

import pytest

from tclsta_tf.training import checkpoints


class Killed(Exception):
    """Stands for a kill."""


@pytest.fixture
def killed_after_saving(monkeypatch):
    """A function that does what it is given until that has saved so many checkpoints; returns their steps."""

    def run_and_kill(train, count=1):
        save, steps = checkpoints.Checkpoints.save, []

        def save_and_die(self, step):
            save(self, step)
            steps.append(step)
            if len(steps) == count:
                raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(checkpoints.Checkpoints, "save", save_and_die)
            train()
        return steps

    return run_and_kill

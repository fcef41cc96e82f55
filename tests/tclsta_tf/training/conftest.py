import importlib.util
import pathlib

import pytest


@pytest.fixture(scope="session")
def toy():
    """The module `toy.py` beside this file."""
    spec = importlib.util.spec_from_file_location("toy", pathlib.Path(__file__).with_name("toy.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

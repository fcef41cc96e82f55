import dataclasses
import json

import pytest

from tfrecords_tools.demo import settings as settings_lib


def test_derived_numbers():
    settings = settings_lib.DemoSettings(
        train_videos_per_class=8, test_videos_per_class=4, videos_per_film=2, size="320x224"
    )
    assert (settings.width, settings.height, settings.unit) == (320, 224, 2.0)
    assert (settings.videos_per_class, settings.num_films, settings.num_test_films) == (12, 6, 2)


def test_json_round_trip():
    settings = settings_lib.DemoSettings(speed=(1.0, 2.0))
    values = settings.to_json()
    assert json.loads(json.dumps(values)) == values
    assert values["speed"] == [1.0, 2.0] and values["size"] == "112x112"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "`seed` must be 0 or above. Received: seed=-1"),
        ({"seed": 1.0}, "`seed` must be of type int. Received: seed=1.0"),
        ({"num_frames": 1}, "`num_frames` must be 2 or above"),
        ({"size": "112"}, "`size` must be WIDTHxHEIGHT in pixels, 32 to 4096 a side. Received: size='112'"),
        ({"size": "16x112"}, "`size` must be WIDTHxHEIGHT"),
        ({"size": "112x112x3"}, "`size` must be WIDTHxHEIGHT"),
        ({"object_size": (0.3, 0.2)}, "`object_size` must name the low end of its range first"),
        ({"object_size": (0.2, 0.9)}, "`object_size` must be at least 0.05 and at most 0.4"),
        ({"object_size": 0.2}, "`object_size` must be a pair of numbers"),
        ({"visible_fraction": (0.5, 1.5)}, "`visible_fraction` must be at least 0.0 and at most 1.0"),
        ({"noise": float("nan")}, "`noise` must be a number. Received: noise=nan"),
        ({"quality": 101}, "`quality` must be at least 1 and at most 100"),
        ({"train_videos_per_class": 23}, "`train_videos_per_class` must be a multiple of `videos_per_film`"),
        ({"test_videos_per_class": 0}, "`test_videos_per_class` must be 1 or above"),
        ({"num_splits": 40}, "`num_splits` must not exceed the number of films"),
    ],
)
def test_bad_values_are_named(changes, message):
    with pytest.raises(ValueError) as error:
        settings_lib.DemoSettings(**changes)
    assert message in str(error.value)


def test_bounds_cover_every_number():
    numbers = {field.name for field in dataclasses.fields(settings_lib.DemoSettings) if field.name != "size"}
    assert {name for name, _, _ in settings_lib._BOUNDS} == numbers

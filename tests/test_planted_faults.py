"""The faults of planted_faults.txt can be planted still; `make faults` shows that the tests catch them."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = """
import planted_faults, conftest
faults = planted_faults.read_faults()
assert len(faults) >= 40, len(faults)
for fault in faults:
    fault.check(conftest.ROOT)
    assert (conftest.ROOT / fault.tests).is_file(), fault.tests
"""


def test_each_fault_has_its_place_and_its_tests():
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=HERE, check=True, timeout=60)

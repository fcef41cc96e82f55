r"""Plants faults, one after the other, into a copy of the layers and of TV-L1, and shows that the tests catch each.

make faults                                         # all of them, 10 to 20 minutes
.venv/bin/python tests/planted_faults.py collaborative masking     # those of these files

A fault is the kind of slip that the code invites: a sign, an axis, a mask left out, another normaliser. It is caught
when the test file of the module fails, and nothing else is asked. Ends with 1 if one survives.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import laboratory as laboratories

_FAULTS = Path(__file__).with_suffix(".txt")


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault: in `file`, the text `right`, which occurs there once, becomes `wrong`."""

    file: str
    what: str
    right: str
    wrong: str

    @property
    def tests(self) -> str:
        """The test file of the module."""
        return laboratories.tests_of(self.file)

    def check(self, root: Path) -> str:
        """Returns the text of the file.

        Raises:
            ValueError: where what is to be changed is not there exactly once.
        """
        text = (root / self.file).read_text()
        if not self.right or text.count(self.right) != 1:
            raise ValueError(f"{self.file} must hold {self.right!r} once. Received: {text.count(self.right)} times")
        return text

    def plant(self, root: Path) -> str:
        """Writes the fault into `root`; returns the text of the file as it was."""
        text = self.check(root)
        (root / self.file).write_text(text.replace(self.right, self.wrong))
        return text


def read_faults() -> list[Fault]:
    """The faults of planted_faults.txt, whose first line says how it is written."""
    faults, file, what, right = [], "", "", ""
    for line in _FAULTS.read_text().splitlines()[1:]:
        kind, _, rest = line.partition(" ")
        if kind == "==":
            file = rest
        elif kind == "#":
            what = rest
        elif kind == "-":
            right = rest
        elif kind == "+":
            faults.append(Fault(file, what, right, rest))
    return faults


def main(argv: Sequence[str]) -> int:
    """Plants and tests each fault whose file's name is in `argv`, or all; returns an exit status."""
    chosen = [fault for fault in read_faults() if len(argv) < 2 or Path(fault.file).stem in argv[1:]]
    survived = []
    with laboratories.Laboratory() as laboratory:
        for tests in sorted({fault.tests for fault in chosen}):
            laboratory.check(tests)
        for fault in chosen:
            text = fault.plant(laboratory.root)
            status = laboratory.run(fault.tests)
            (laboratory.root / fault.file).write_text(text)
            found = {laboratories.SURVIVED: "SURVIVED", laboratories.CAUGHT: "caught"}
            survived += [] if status == laboratories.CAUGHT else [fault]
            sys.stdout.write(f"{found.get(status, f'status {status}'):10}  {fault.file}: {fault.what}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - len(survived)} of {len(chosen)} faults caught\n")
    return bool(survived)


if __name__ == "__main__":
    sys.exit(main(sys.argv))

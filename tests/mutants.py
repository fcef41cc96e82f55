r"""Changes the code of fusion, sampling, quantisation and records in one place at a time; the tests should fail.

make mutants                                                     # 20 changes of each file, drawn by a seed
.venv/bin/python tests/mutants.py --count=100 score_fusion       # more, of one file
.venv/bin/python tests/mutants.py --count=0                      # all of them: hours

The changes are those of cosmic-ray: other operators and comparisons, numbers one larger or smaller, conditions turned
round, loops left early, lines of a `break` or `continue` exchanged. A change counts as killed when the module's test
file fails, or no longer ends. Survivors are printed as differences, to be looked at: some change nothing that could be
seen. Left out are changes of `|`, which are those of type hints and fail when they are read, and the two operators
that want the name of a variable. Ends with 1 below 85 %.
"""

import argparse
import difflib
import random
import sys
from pathlib import Path

import laboratory as laboratories
from cosmic_ray import ast as trees
from cosmic_ray import mutating, plugins

FILES = (
    *(
        f"tclsta_tf/fusion/{name}.py"
        for name in ("adaptive_weights", "cross_validation", "early_svm", "multiple_kernel", "score_fusion", "subset")
    ),
    "tclsta_tf/data/sampling.py",
    "tfrecords_tools/flow/quantise.py",
    "tfrecords_tools/schema.py",
)
_WANTED = 0.85
_TIMEOUT = 120.0  # seconds; the slowest of these test files takes a third of that
_LEFT_OUT = ("ReplaceBinaryOperator_BitOr", "VariableReplacer", "VariableInserter")


def places(source: str) -> list[tuple[str, int]]:
    """Names of operators with the occurrences that each can change."""
    nodes = list(trees.ast_nodes(trees.get_ast(source)))
    found = []
    for name in sorted(plugins.operator_names()):
        if not any(part in name for part in _LEFT_OUT):
            operator = plugins.get_operator(name)()
            count = sum(len(list(operator.mutation_positions(node))) for node in nodes)
            found += [(name, occurrence) for occurrence in range(count)]
    return found


def main() -> int:
    """Changes, tests, prints; returns an exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", help="names of modules without .py; all where none is given")
    parser.add_argument("--count", type=int, default=20, help="changes of each file; 0 for all (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="which changes are drawn (default: 0)")
    asked = parser.parse_args()
    killed = total = 0
    with laboratories.Laboratory() as laboratory:
        for file in FILES:
            if asked.files and Path(file).stem not in asked.files:
                continue
            tests, path = laboratories.tests_of(file), laboratory.root / file
            laboratory.check(tests)
            source = path.read_text()
            drawn = places(source)
            available = len(drawn)
            if 0 < asked.count < available:
                drawn = random.Random(asked.seed).sample(drawn, asked.count)
            of_file = 0
            for name, occurrence in drawn:
                changed = mutating.mutate_code(source, plugins.get_operator(name)(), occurrence)
                path.write_text(changed)
                if laboratory.run(tests, _TIMEOUT) == laboratories.SURVIVED:
                    difference = difflib.unified_diff(source.splitlines(), changed.splitlines(), file, n=0, lineterm="")
                    sys.stdout.write("survived: " + "\n    ".join(list(difference)[2:]) + "\n")
                else:
                    of_file += 1
            path.write_text(source)
            killed, total = killed + of_file, total + len(drawn)
            sys.stdout.write(f"{file}: {of_file} of {len(drawn)} killed, drawn of {available}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{killed} of {total} killed, {100 * killed / total:.1f} %\n")
    return int(killed < _WANTED * total)


if __name__ == "__main__":
    sys.exit(main())

"""Faults over real brokers and real daemons: python -m tests.faults --seed 1 --faults 20 --kind file.

Prints each fault with its recovery, then a table; exit status 1 on any violation, and then the logs are kept.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.faults.campaign import Options, run
from tests.faults.report import details, table

HERE = Path(__file__).parent


def main():
    """Run and report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = _parser().parse_args()
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="klaxon-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    soak = {"minutes": arguments.minutes or 60.0, "every_s": 10.0} if arguments.soak else {"minutes": arguments.minutes}
    options = Options(
        seed=arguments.seed, faults=arguments.faults, failpoints=arguments.failpoints, pairs=int(arguments.pairs),
        pairs_a_message=arguments.pairs_a_message, partitions=arguments.partitions, replicas=arguments.replicas,
        nodes=arguments.nodes, kind=arguments.kind, rate=arguments.rate, scenarios=arguments.scenarios,
        only=tuple(arguments.only or ()), **soak,
    )  # fmt: skip
    result = run(options, folder, say=lambda words: print(words, flush=True))
    text = table(result)
    print(f"\n{text}")
    if result.failures or result.outcome.violations:
        print(details(result), file=sys.stderr)
        return 1
    if arguments.report:
        Path(arguments.report).write_text(f"{_heading(sys.argv[1:])}\n{text}")
    if not arguments.keep:
        shutil.rmtree(folder)
    return 0


def _heading(words):
    return f'# Faults\n\nWritten by `make faults ARGS="{" ".join(words)}"`.\n'


def _parser():
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--faults", type=int, default=20, help="random faults; each class comes at least once if there is room"
    )
    parser.add_argument("--failpoints", type=int, default=5, help="failpoints, in turn")
    parser.add_argument("--pairs", type=float, default=2e5, help="pairs in the log at the end, at least")
    parser.add_argument("--pairs-a-message", type=int, default=20, help="on average")
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3), help="brokers")
    parser.add_argument("--kind", default="none", choices=("none", "file", "changelog"), help="of snapshots")
    parser.add_argument("--rate", type=float, default=60.0, help="records a second while the load writes")
    parser.add_argument("--minutes", type=float, help="go on with new faults for so long")
    parser.add_argument("--soak", action="store_true", help="a fault every ten seconds, for an hour or --minutes")
    parser.add_argument("--scenarios", action="store_true", help="at the end also those that change what the truth is")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="this fault or `failpoint POINT`, in this order"
    )
    parser.add_argument("--folder", help="for logs and data; deleted after a run without violations unless --keep")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--report", help="write the table to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())

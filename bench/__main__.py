"""Run one measurement: ``python -m bench NAME [ARGUMENTS]``."""

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Hand the arguments to the module of that name."""
    names = sorted(f.stem for f in Path(__file__).parent.glob("[a-z]*.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.exit(f"usage: python -m bench NAME, where NAME is one of {', '.join(names)}")
    importlib.import_module(f"bench.{sys.argv[1]}").main(sys.argv[2:])


if __name__ == "__main__":
    main()

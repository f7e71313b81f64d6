"""A suite of sections, each of which runs in a process of its own and leaves its figures as JSON."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tests.benchmarks import peers

Records = list[dict[str, Any]]
Section = Callable[[], Records]


def run(module: str, path: Path, sections: Sequence[str], settings: Mapping[str, Mapping[str, str]]) -> None:
    """Run sections of a module, with one thread for every library unless `settings` of a section say otherwise.

    They print what they measure; it is written to `path`. Raises SystemExit if one fails, when all have run.
    """
    machine = f"{platform.processor() or platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    result: dict[str, Any] = {"machine": machine, "versions": _versions(), "load": {}}
    print(machine, *[f"{name} {number}" for name, number in result["versions"].items()], sep=", ")
    failed = []
    for section in sections:
        if hasattr(os, "getloadavg"):  # others' work on the machine; ratios suffer less from it than seconds
            load = result["load"][section] = os.getloadavg()[0]
            print(f"\n--- {section} (load {load:.1f} before it, {os.cpu_count()} cores)", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "records.json"
            environment = {**os.environ, **peers.ONE_THREAD, **settings.get(section, {})}
            if subprocess.run([sys.executable, "-m", module, section, str(written)], env=environment).returncode:
                failed.append(section)
            else:
                result[section] = json.loads(written.read_text())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {path}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _versions() -> dict[str, str]:
    found = {}
    for name in ("numpy", "torch", "jax", "casadi", "heyoka", "micrograd", "xad", "autograd", "scikit-learn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def run_section(sections: Mapping[str, Section]) -> None:
    """Run one section in this process: `python -m MODULE SECTION FILE`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("section", choices=sections)
    parser.add_argument("path", type=Path)
    given = parser.parse_args()
    given.path.write_text(json.dumps(sections[given.section]()))

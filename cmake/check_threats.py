#!/usr/bin/python3
"""Fails if the threat model names a test that does not exist, or leaves a row of a field's table unfinished."""

import re
import subprocess
import sys
from pathlib import Path

root = Path(sys.argv[1])
sources = root.rglob("*_test.cc") if not (root / ".git").exists() else [
    root / name for name in subprocess.run(
        ["git", "-C", root, "ls-files", "--", "*.cc", "*.h"], check=True, capture_output=True, text=True).stdout.split()]
known = set()
for source in sources:
    if source.suffix == ".cc" and source.exists():
        known.update(map(".".join, re.findall(r"^(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)",
                                              source.read_text(encoding="utf-8"), re.M)))

faults = []
for page in [root / "docs/THREAT_MODEL.md", *sorted((root / "docs/threats").glob("*.md"))]:
    columns = 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{page.relative_to(root)}:{number}"
        faults += [f"{where}: no test {name}" for name in re.findall(r"`([A-Z]\w+\.[A-Z]\w+)`", line)
                   if name not in known]
        if "PENDING" in line:
            faults.append(f"{where}: unfinished")
        cells = line.split("|")[1:-1] if line.startswith("|") else []
        if cells and columns and len(cells) != columns:
            faults.append(f"{where}: {len(cells)} cells instead of {columns}")
        columns = len(cells)
print("\n".join(faults) or f"{len(known)} tests are known, all that are named exist")
sys.exit(1 if faults else 0)

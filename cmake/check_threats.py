#!/usr/bin/python3
"""Compares the threat model with the tests and with SPEC.md.

check_threats.py ROOT

- Every test that a page names exists, and no row of a table is unfinished.
- Every row of SPEC.md's tables of refusals stands in docs/threats/refusals.md, with a test.
- Every field of every structure in SPEC.md has a row. A table under `<!-- fields CPHQ deal, CPHP prepare -->` has
  rows "deal: FIELD" for the structure CPHQ, and "prepare: FIELD" for CPHP; one row may name several fields. Under
  `<!-- fields CPHQ -->` every row of the table is about CPHQ. Magic, version and counts need no row.
A new field fails here until it has a row that says who chose it and who checks it."""

import re
import subprocess
import sys
from pathlib import Path

# Structures without a magic, by the name before them.
NAMED = "entry|invitation|open|refusal|state"
TYPES = r"u8|u16|u32|u64|lp4?|text|each|ascending|\d+|…|u8…"


def known_tests(root):
    sources = root.rglob("*_test.cc")
    if (root / ".git").exists():
        listed = subprocess.run(["git", "-C", root, "ls-files", "--", "*.cc"], check=True, capture_output=True, text=True)
        sources = [root / name for name in listed.stdout.split()]
    test = re.compile(r"^(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", re.M)
    return {".".join(found) for s in sources if s.exists() for found in test.findall(s.read_text(encoding="utf-8"))}


def structures(spec):
    """Magic or name of each structure, and the text of its fields."""
    for block in re.findall(r"^```\n(.*?)^```", spec, re.M | re.S):
        name, text = None, []
        for line in [*block.split("\n"), "end =", ""]:
            start = re.match(rf'(?:[a-zA-Z][a-zA-Z0-9 -]*:?\s+)?"(CP\w\w)" \|(.*)', line) or re.match(
                rf"({NAMED}):? (.*\|.*)", line)
            if (start or re.match(r"\w+ +(=|H\()", line)) and name:
                yield name, "\n".join(text)
                name = None
            if start:
                name, text = start[1], [start[2]]
            elif name:
                text.append(re.sub(r"^\w+ {2,}", "", line))  # a structure inside


def fields(text):
    text = re.sub(r"\blp4?\(([^(),:;]*)[^()]*\)", r"\1", text)  # lp(x, remark) is x
    text = re.sub(r"SHA-256\(([^()]*)\)", r"SHA-256[\1]", text)
    while "(" in text:
        text = re.sub(r"\([^()]*\)", "", text)
    text = re.sub(r"count u\d+\s*,", "count |", text)
    for field in re.split(r"[|‖;\n]|: ", text):
        if re.match(r"\s*version u8 = ", field):
            continue
        words = re.split(r", | over | by | = | if ", field.replace("[", "(").replace("]", ")"))[0].split()
        while len(words) > 1 and re.fullmatch(TYPES + "|time", words[-1]):
            words.pop()
        name = " ".join(words)
        if name and not re.match(rf"(for|if|in)\b|({TYPES}|.*count)$", name):
            yield name


def rows(page):
    """The first cells of each table's rows, with what the comment before it says: structure -> prefix."""
    claims, cells = {}, []
    for line in [*page.split("\n"), ""]:
        if found := re.fullmatch(r"<!-- fields (.*) -->", line):
            claims = dict([*claim.split(" ", 1), ""][:2] for claim in found[1].split(", "))
        elif line.startswith("|"):
            cells.append(line.split("|")[1].strip())
        elif cells:
            yield claims, cells
            claims, cells = {}, []


def without_row(spec, pages):
    covered = {}
    for page in pages:
        for claims, cells in rows(page):
            for structure, prefix in claims.items():
                covered.setdefault(structure, []).extend(c for c in cells if not prefix or c.startswith(prefix + ": "))
    found = dict.fromkeys((s, f) for s, text in structures(spec) for f in fields(text))
    for structure, field in found:
        word = re.compile(r"(?<![\w-])" + re.escape(field) + r"(?![\w-])")
        if not any(word.search(cell) for cell in covered.get(structure, [])):
            yield f"protocol/SPEC.md: the field \"{field}\" of {structure} has no row in docs/threats/"
    yield from (f"docs/threats/: SPEC.md has no structure {s}" for s in covered.keys() - {s for s, _ in found})


def refusals(spec):
    """Each row of a table that has a column of codes: the section, what stands before and after the code, the code."""
    section, head = "", None
    for line in spec.split("\n"):
        if heading := re.match(r"#+ (\d+(?:\.\d+)*)", line):
            section = heading[1]
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else None
        if cells and head and not set(line) <= set("|- "):
            at = next((i for i, name in enumerate(head) if name == "code" or name.endswith("refused as")), None)
            if at is not None:
                code = re.match(r"`?([a-z-]+)", cells[at])[1]
                yield section, ": ".join(c for i, c in enumerate(cells) if i != at and head[i] != "names"), code
        head = head or cells if cells else None


def without_test(spec, page):
    section, tested = "", {}
    for line in page.split("\n"):
        if heading := re.match(r"## §([\d.]+)", line):
            section = heading[1]
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if len(cells) == 3:
            tested[section, cells[0], cells[1]] = re.match(r"`\w+\.\w+`|none: ", cells[2])
    stated = list(refusals(spec))
    for row in stated:
        if not tested.get(row):
            yield f"protocol/SPEC.md §{row[0]}: \"{row[1]}\", {row[2]}, has no test in docs/threats/refusals.md"
    for row in tested.keys() - set(stated):
        if row[1] != "Refused if" and not set(row[1]) <= set("-"):
            yield f"docs/threats/refusals.md: SPEC.md has no row \"{row[1]}\", {row[2]}, in §{row[0]}"


def main():
    root = Path(sys.argv[1])
    known, faults = known_tests(root), []
    paths = [root / "docs/THREAT_MODEL.md", *sorted((root / "docs/threats").glob("*.md"))]
    pages = [path.read_text(encoding="utf-8") for path in paths]
    for path, page in zip(paths, pages):
        columns = 0
        for number, line in enumerate(page.splitlines(), 1):
            where = f"{path.relative_to(root)}:{number}"
            faults += [f"{where}: no test {n}" for n in re.findall(r"`([A-Z]\w+\.[A-Z]\w+)`", line) if n not in known]
            if "PENDING" in line:
                faults.append(f"{where}: unfinished")
            cells = line.split("|")[1:-1] if line.startswith("|") else []
            if cells and columns and len(cells) != columns:
                faults.append(f"{where}: {len(cells)} cells instead of {columns}")
            columns = len(cells)
    spec = (root / "protocol/SPEC.md").read_text(encoding="utf-8")
    faults += without_row(spec, pages)
    faults += without_test(spec, (root / "docs/threats/refusals.md").read_text(encoding="utf-8"))
    print("\n".join(faults) or f"{len(known)} tests are known, all that are named exist; every field and refusal has a row")
    sys.exit(1 if faults else 0)


main()

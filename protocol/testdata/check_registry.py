#!/usr/bin/python3
"""Compares protocol/REGISTRY.md with the sources, both ways.

check_registry.py ROOT

- Every tag "CPV1-..." and every magic "CPxx" of the C++ and of the oracle has a row, and every row is used.
- A magic starts one structure: it is defined in one section, or, if it never leaves a program, in one source.
- A table under a comment `<!-- enum FILE NAME -->` has the values of that enumeration, no more and no fewer.
Something new fails here until REGISTRY.md has a row for it."""

import pathlib
import re
import sys

TAG = re.compile(r"CPV1-[A-Z][A-Z0-9-]*[A-Z0-9]")
MAGIC = re.compile(r"""["'](CP[A-Z0-9]{2})(?:\\x[0-9a-fA-F]{2}|\\[0-9]+|\\r\\n[^"']*)?["']""")
TEST_TAGS = {"CPV1-EXAMPLE", "CPV1-TEST", "CPV1-TEST2", "CPV1-FUZZ"}
FOLDERS = ("protocol", "hsm", "agent", "client", "provisioning")


def is_test(path):
    name = path.name
    return (
        name.endswith("_test.cc")
        or name.startswith(("test_", "fuzz_"))
        or "testing" in path.parts
        or path.name.endswith("_vectors.py")
        or path.name in ("vector_blocks.py", "check_registry.py")
    )


def sources(root):
    for folder in FOLDERS:
        for pattern in ("*.cc", "*.h", "*.py"):
            for path in sorted((root / folder).rglob(pattern)):
                if not is_test(path):
                    yield path


def used(root):
    """Where each tag and magic is used first, and the C++ sources that have each magic."""
    tags, magics, written = {}, {}, {}
    for path in sources(root):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            code = line.split("//", 1)[0] if path.suffix != ".py" else line
            where = f"{path.relative_to(root)}:{number}"
            for tag in TAG.findall(code):
                tags.setdefault(tag, where)
            for magic in MAGIC.findall(code):
                magics.setdefault(magic, where)
                if path.suffix == ".cc":
                    written.setdefault(magic, set()).add(str(path.relative_to(root)))
    return tags, magics, written


def used_twice(root, written):
    """Magics that start two structures: in two sections of the specifications, or, if they are in none, in two sources."""
    sections = {}
    for document in ("SPEC.md", "FILE.md"):
        section = ""
        for line in (root / "protocol" / document).read_text(encoding="utf-8").split("\n"):
            if line.startswith("#"):
                section = f"{document} {line.lstrip('# ')}"
            for magic in re.findall(r'"(CP[A-Z0-9]{2})" \| version', line):
                sections.setdefault(magic, set()).add(section)
    local = {magic: files for magic, files in written.items() if magic not in sections and magic != "CPV1"}
    return [f"magic {m} starts structures of {' and of '.join(sorted(s))}" for m, s in {**sections, **local}.items() if len(s) > 1]


def tables(text):
    """Each table as (the comment before it, its rows)."""
    comment, rows = None, []
    for line in [*text.split("\n"), ""]:
        if found := re.fullmatch(r"<!-- (.*) -->", line):
            comment = found.group(1)
        elif line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            yield comment, rows[2:]
            comment, rows = None, []


def enumeration(root, file, name):
    text = re.sub(r"//[^\n]*", "", (root / file).read_text(encoding="utf-8"))
    found = re.search(rf"enum class {name}\b[^{{]*\{{([^}}]*)\}}", text)
    if not found:
        sys.exit(f"REGISTRY.md: {file} has no enumeration {name}")
    return {n: int(v, 0) for n, v in re.findall(r"(\w+)\s*=\s*(\w+)", found.group(1))}


def main():
    root = pathlib.Path(sys.argv[1])
    text = (root / "protocol/REGISTRY.md").read_text(encoding="utf-8")
    wrong = []

    def compare(what, in_code, in_registry):
        for item in sorted(set(in_code) - in_registry):
            wrong.append(f"{what} {item} ({in_code[item]}) has no row in protocol/REGISTRY.md: add one")
        for item in sorted(in_registry - set(in_code)):
            wrong.append(f"{what} {item} has a row in protocol/REGISTRY.md, but no source uses it")

    tags, magics, written = used(root)
    wrong += used_twice(root, written)
    first_cells = [row[0] for _, rows in tables(text) for row in rows]
    listed = [re.fullmatch(r"`([^`]*)`", cell) for cell in first_cells]
    names = [found.group(1) for found in listed if found]
    for name in sorted(set(names)):
        if (TAG.fullmatch(name) or re.fullmatch(r"CP[A-Z0-9]{2}", name)) and names.count(name) > 1:
            wrong.append(f"{name} has {names.count(name)} rows in protocol/REGISTRY.md")
    compare("tag", {t: w for t, w in tags.items() if t not in TEST_TAGS}, {n for n in names if TAG.fullmatch(n)} - TEST_TAGS)
    compare("magic", magics, {n for n in names if re.fullmatch(r"CP[A-Z0-9]{2}", n)})

    for comment, rows in tables(text):
        if not comment or not comment.startswith("enum "):
            continue
        _, file, name = comment.split()
        in_code = enumeration(root, file, name)
        in_registry = {row[1].strip("`"): int(row[0], 0) for row in rows}
        for item in sorted(set(in_code.items()) ^ set(in_registry.items())):
            wrong.append(f"{name}: {item[0]} = {item[1]} is not both in {file} and in protocol/REGISTRY.md")

    print("\n".join(wrong) if wrong else f"{len(tags)} tags, {len(magics)} magics")
    sys.exit(1 if wrong else 0)


main()

#!/usr/bin/python3
"""Checks every Markdown page of the repository.

check_docs.py ROOT

- A page has one heading of the first level, and skips no level below it.
- A table has a header, a separator, and as many cells in each row.
- A link leads to a file and a heading that exist, "SPEC.md §7.1" to a section, "agent/front" to a file or folder.
- A command has a subcommand and options that the program knows (cmake/command_lines.py).
- docs/GLOSSARY.md has each term once, in alphabetical order.
- docs/README.md links every page, itself or through another README.md that it links."""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

from command_lines import wrong_commands, wrong_options

INDEX, GLOSSARY = "docs/README.md", "docs/GLOSSARY.md"
HISTORY = ("CHANGELOG.md", "docs/decisions/")  # may tell of commands that are gone
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SECTION = re.compile(r"\b(SPEC|FILE|SECURITY|CEREMONIES|REGISTRY|VECTORS)(?:\.md)? §(\d+(?:\.\d+)*)")


class Page:
    def __init__(self, root, name):
        self.name = name
        self.folder = (root / name).parent
        self.lines = (root / name).read_text(encoding="utf-8").split("\n")
        self.fenced, inside = [], False  # of each line: whether it belongs to a block of code
        for line in self.lines:
            fence = line.lstrip().startswith("```")
            self.fenced.append(inside or fence)
            inside ^= fence
        self.headings = [(number, len(found[1]), found[2]) for number, line in self.prose()
                         if (found := re.match(r"(#+) (.*)", line))]

    def prose(self):
        return [(n, line) for n, (line, code) in enumerate(zip(self.lines, self.fenced), 1) if not code]

    def anchors(self):
        """Of its headings, as GitHub names them."""
        titles = [LINK.sub(lambda link: link[0].split("]")[0], title).lower() for _, _, title in self.headings]
        slugs = [re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in titles]
        return [slug if slugs.index(slug) == n else f"{slug}-{slugs[:n].count(slug)}" for n, slug in enumerate(slugs)]

    def links(self):
        for number, line in self.prose():
            for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                if not re.match(r"[a-z]+:", target):
                    yield number, target


def tracked(root):
    if (root / ".git").exists():
        listed = subprocess.run(["git", "-C", root, "ls-files"], check=True, capture_output=True, text=True).stdout.split("\n")
        return [name for name in listed if (root / name).is_file()]
    return [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and root / "build" not in p.parents]


def wrong_headings(page):
    level = 0
    for number, next_level, title in page.headings:
        if next_level > level + 1:
            yield number, f"\"{title}\" skips a level of headings"
        level = next_level
    if (first := [level for _, level, _ in page.headings].count(1)) != 1:
        yield 1, f"{first} headings of the first level, instead of one"


def cells(line):
    return len(re.split(r"(?<!\\)\|", line.strip())) - 2


def wrong_tables(page):
    row, columns = 0, 0
    for number, line in page.prose():
        if not line.startswith("|"):
            if row == 1:
                yield number - 1, "a table without a separator"
            row = 0
            continue
        row += 1
        if row == 1:
            columns = cells(line)
        elif row == 2 and not re.fullmatch(r"(\|:?-+:?)+\|", line.strip()):
            yield number - 1, "a table without a header and separator"
        elif cells(line) != columns or not line.rstrip().endswith("|"):
            yield number, f"{cells(line)} cells instead of {columns}"


def wrong_links(page, pages, root):
    for number, target in page.links():
        path, _, anchor = target.partition("#")
        file = (page.folder / path).resolve() if path else root / page.name
        if not file.exists():
            yield number, f"no {path}"
        elif anchor and (other := pages.get(file.relative_to(root).as_posix())) and anchor not in other.anchors():
            yield number, f"no heading #{anchor} in {other.name}"


def wrong_sections(page, pages):
    for number, line in enumerate(page.lines, 1):
        for name, section in SECTION.findall(line):
            titles = [title for _, _, title in pages[f"protocol/{name}.md"].headings]
            if not any(re.match(re.escape(section) + r"[. ]", title) for title in titles):
                yield number, f"no section {section} in protocol/{name}.md"


class Places:
    """All files and folders, and how a page may name them."""

    def __init__(self, names):
        self.all = {*names, *(parent.as_posix() for name in names for parent in Path(name).parents)} - {"."}
        # A source without its ending, a decision by its number.
        self.short = {place[:end] for place in self.all for end, letter in enumerate(place) if letter in ".-"}
        folders = "|".join(re.escape(place) for place in self.all if "/" not in place)
        self.path = re.compile(rf"(?<![\w./:$~@-])((?:{folders})/[\w.*@-]+(?:/[\w.*@-]+)*)")

    def has(self, name):
        return name in self.all or name in self.short or "*" in name and fnmatch.filter(self.all, name)


def wrong_paths(page, places):
    for number, line in enumerate(page.lines, 1):
        for name in places.path.findall(LINK.sub("", line)):
            name = name.rstrip("./*-")
            if not places.has(name):
                yield number, f"no {name}"


def wrong_glossary(page):
    terms = [(number, re.sub(r"\W|_", "", found[1].lower())) for number, line in page.prose()
             if (found := re.match(r"- \*\*(.*?)\*\*", line))]
    return [(number, f"\"{term}\" is not in its alphabetical place")
            for (_, before), (number, term) in zip(terms, terms[1:]) if term <= before]


def not_indexed(pages, root):
    def linked(page):
        return {(page.folder / target.partition("#")[0]).resolve().relative_to(root).as_posix()
                for _, target in page.links()}
    known = {INDEX} | linked(pages[INDEX])
    for index in [name for name in known if name.endswith("README.md") and name in pages]:
        known |= linked(pages[index])
    return pages.keys() - known


def main():
    root = Path(sys.argv[1]).resolve()
    names = tracked(root)
    places = Places(names)
    pages = {name: Page(root, name) for name in names if name.endswith(".md")}
    faults = [f"{name}: {INDEX} does not link it" for name in sorted(not_indexed(pages, root))]
    faults += [f"{GLOSSARY}:{number}: {what}" for number, what in wrong_glossary(pages[GLOSSARY])]
    for page in pages.values():
        checks = [wrong_headings(page), wrong_tables(page), wrong_links(page, pages, root), wrong_sections(page, pages),
                  wrong_paths(page, places)]
        if not page.name.startswith(HISTORY):
            checks += [wrong_commands(page.lines, page.fenced, root), wrong_options(page.lines, page.fenced, root)]
        faults += [f"{page.name}:{number}: {what}" for found in checks for number, what in found]
    print("\n".join(faults) or f"{len(pages)} pages are in order")
    sys.exit(1 if faults else 0)


main()

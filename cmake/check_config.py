#!/usr/bin/python3
"""Compares docs/CONFIG.md with the programs that read agent.toml and config.toml.

check_config.py ROOT

Reads the keys out of the C++ source: each with its section, type, default and range, and whether SIGHUP reads it
again. Every key needs a row that says the same, and no other key may have one. A way to read a key that this script
does not know makes it fail, too."""

import re
import sys
from pathlib import Path

AGENT, CLIENT, IDENTITY = "agent/config.cc", "client/config.cc", "provisioning/agent_identity.cc"
# Each method of Section that reads a key, and what CONFIG.md calls its type.
TYPES = {"text": "text", "optional_text": "text", "number": "integer", "flag": "boolean", "texts": "list of texts"}
CALL = re.compile(r"(?:(\w+)(?:\.|->))?\b(text|optional_text|number|flag|texts|section)\(\s*"
                  r"(\"?\w+\"?)((?:[^()]|\([^()]*\))*)\)")
faults = []


def fault(text):
    faults.append(text)


def functions(source):
    """Name, parameters and body of each function outside a class."""
    return re.findall(r"^[\w:<>][^\n;{]*?\b(\w+)\(([^;{}]*?)\)(?: const)? \{\n(.*?)^\}", source, re.M | re.S)


def defaults_of_limits(root):
    body = re.search(r"struct Limits \{(.*?)\n\};", (root / "agent/ipc/messages.h").read_text(), re.S)[1]
    return {f"kDefault.{name}": int(value) for name, value in re.findall(r"std::uint32_t (\w+) = (\d+);", body)}


def constants(body, known):
    found = dict(known)
    for name, text in re.findall(r"constexpr unsigned (\w+) = ([^;]*);", body):
        found[name] = value(text, found)
    return found


def value(text, known):
    """Of an arithmetic expression in C++: names, digits, and * between them."""
    product = 1
    for factor in text.replace("'", "").strip().split("*"):
        factor = factor.strip()
        if factor not in known and not factor.isdigit():
            sys.exit(f"cmake/check_config.py does not know the value of \"{factor}\" in {AGENT}")
        product *= known.get(factor) if factor in known else int(factor)
    return product


def agent_keys(root):
    """(section, key) -> type, default, range, whether SIGHUP reads it again."""
    source = (root / AGENT).read_text(encoding="utf-8")
    reading = re.findall(r"\n  \S[^\n]*?(\w+)\([^\n]*\{\n(?:(?!\n  \}).)*\btake\(", source.split("\n private:")[0], re.S)
    if set(reading) != TYPES.keys() - {"optional_text"} | {"section"}:
        fault(f"{AGENT}: class Section reads keys by {sorted(reading)}, which cmake/check_config.py does not know")
    reload = re.search(r"::reload_limits\(\) \{(.*?)\n\}", (root / "agent/service.cc").read_text(), re.S)[1]
    again = {re.search(rf"\b{field.split('.')[-1]} = (read_\w+)\(", source)[1]
             for field in re.findall(r"config->((?:policy\.)?\w+)", reload)}
    found, bodies, sections = {}, functions(source), {}
    main = next(body for name, _, body in bodies if name == "read")
    for child, parent, name in re.findall(r"Section (\w+) = (\w+)\.section\(\"(\w+)\"\)", main):
        sections[child] = f"{sections[parent]}.{name}".strip(".") if parent in sections else name
    sections["top"] = ""
    caller = dict(re.findall(r"\b(read_\w+)\((\w+)\)", main))  # function -> the section it is given
    for name, parameters, body in bodies:
        own = re.search(r"Section& (\w+)", parameters)
        here = sections if name == "read" else None
        if own and caller.get(name) in sections:
            here = {own[1]: sections[caller[name]]}
        if here is None:
            if own:
                fault(f"{AGENT}: cmake/check_config.py does not know which section {name} reads")
            continue
        known = constants(body, defaults_of_limits(root))
        for receiver, method, key, rest in CALL.findall(body):
            if method == "section" or (receiver, key) == (own and own[1], "key"):  # the lambda passes its own on
                continue
            if not key.startswith('"') or (receiver or own[1]) not in here:
                fault(f"{AGENT}: cmake/check_config.py does not understand {method}({key}{rest})")
                continue
            key, rest = key.strip('"'), [part.strip() for part in rest.lstrip(" ,").split(",")]
            default = {"text": "required", "optional_text": "none", "texts": "empty"}.get(method, rest[0])
            limits = None
            if method == "number":
                default = "none" if f'.has("{key}")) {{' in body else value(rest[0], known)
                limits = f"{value(rest[1], known)} to {value(rest[2], known)}"
            found[here[receiver or own[1]], key] = (TYPES[method], str(default), limits, "yes" if name in again else "no")
    return found


def client_keys(root):
    source = (root / CLIENT).read_text(encoding="utf-8")
    found = {}
    for name, section in (("kEntries", ""), ("kKeyEntries", "keys.NAME")):
        listed = re.search(rf"\b{name} = \{{(.*?)\}};", source, re.S)[1]
        for key in re.findall(r'"(\w+)"', listed):
            optional = re.search(rf'if \(const auto (\w+) = table\["{key}"\]\) \{{(.*?)\n  \}}', source, re.S)
            limits = optional and re.search(r"< (\d+) \|\| \*\w+ > (\d+)", optional[2])
            integer = optional and "std::int64_t" in optional[2]
            kind = "table" if optional and "is_table" in optional[2] else "integer" if integer else "text"
            found[section, key] = (kind, None if optional else "required", limits and f"{limits[1]} to {limits[2]}", None)
    milliseconds = re.search(r"deadline\{([\d']+)\}", (root / "client/config.h").read_text())[1].replace("'", "")
    kind, _, limits, _ = found["", "deadline_seconds"]
    found["", "deadline_seconds"] = (kind, str(int(milliseconds) // 1000), limits, None)
    return found


def rows(page, file):
    """(section, key) -> the cells of its row, by the titles of the columns."""
    found, titles, section = {}, None, ""
    for line in re.split(rf"^## {file}$", page, flags=re.M)[1].split("\n## ")[0].split("\n"):
        if heading := re.match(r"### (?:`\[(.*)\]`)?", line):
            section, titles = heading[1] or "", None
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells and titles is None:
            titles = cells
        elif cells and cells[0].startswith("`"):
            key = section, cells[0].strip("`")
            if key in found:
                fault(f"docs/CONFIG.md: {file} has two rows for {key}")
            found[key] = dict(zip(titles, cells))
    return found


def compare(page, file, known):
    written = rows(page, file)
    for key in written.keys() - known.keys():
        fault(f"docs/CONFIG.md: {file} has no key [{key[0]}] {key[1]}")
    for key, expected in known.items():
        row = written.get(key)
        if row is None:
            fault(f"docs/CONFIG.md: {file} has no row for [{key[0]}] {key[1]}")
            continue
        for title, right in zip(("Type", "Default", "Range", "SIGHUP"), expected):
            if right is not None and row.get(title, "").replace(",", "").strip("`") != right:
                fault(f"docs/CONFIG.md: {file}, [{key[0]}] {key[1]}: {title} is {right}, not \"{row.get(title)}\"")


def main():
    root = Path(sys.argv[1])
    page = (root / "docs/CONFIG.md").read_text(encoding="utf-8")
    agent, client = agent_keys(root), client_keys(root)
    compare(page, "agent.toml", agent)
    compare(page, "config.toml", client)
    # Who else reads such files?
    folders = [folder for folder in root.glob("[a-z]*/") if folder.name != "build"]
    for path in [file for folder in folders for file in folder.rglob("*.cc")]:
        name = path.relative_to(root).as_posix()
        if name.endswith("_test.cc") or "<toml++/" not in path.read_text(encoding="utf-8"):
            continue
        if name == IDENTITY:
            for key in re.findall(r'table\["(\w+)"\]', path.read_text(encoding="utf-8")):
                if ("", key) not in agent:
                    fault(f"{name} reads \"{key}\", which {AGENT} does not know")
        elif name not in (AGENT, CLIENT):
            fault(f"{name} reads TOML, and cmake/check_config.py does not know it")
    print("\n".join(faults) or f"docs/CONFIG.md has all {len(agent)} keys of agent.toml, {len(client)} of config.toml")
    sys.exit(1 if faults else 0)


main()

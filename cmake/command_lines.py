"""The command lines that Markdown pages show, compared with the programs.

Subcommands and options come out of the C++ source, from the calls of CLI11, so that nothing has to be built."""

import functools
import re
import sys

PROGRAMS = {"coprotect": ["client/cli"], "coprotect-provision": ["provisioning"], "coprotect-agent": ["agent/main.cc"]}
FUNCTION = re.compile(r"^\w[^\n;{}]*?\b(\w+)\(([^;{}]*?)\)(?: const)? \{\n(.*?)^\}", re.M | re.S)
OPTION = re.compile(r'(\w+|get_subcommand\("[\w-]+"\))\s*(?:\.|->)\s*add_(?:option|flag|flag_callback)\(\s*"([^"]+)"')
# Up to the end of a shell's command, or of one in a diagram.
COMMAND = re.compile(r"(?:^|[\s/(=])(coprotect(?:-provision|-agent)?|scripts/\w+)(?= [^=]|$)([^#;|)&›»]*)")
NEW = r'\w+\.add_subcommand\(\s*"([\w-]+)"'


def sources(root, places):
    for place in places:
        path = root / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.cc")):
            if not file.name.endswith("_test.cc"):
                yield file.read_text(encoding="utf-8")


@functools.lru_cache(None)
def commands_of(program, root):
    """Subcommand -> its options; "" is the program without a subcommand."""
    text = "\n".join(sources(root, PROGRAMS[program]))
    given, helpers, attributed = {"": {"--help"}}, {}, 0  # of each subcommand, or of "@function"

    def note(where, names, what):
        for name in names:
            where.setdefault(name, set()).add(what)

    for function, parameters, body in FUNCTION.findall(text):
        owners = {"app": [""]}  # variable -> whose options it adds
        owners |= {name: ["@" + function] for name in re.findall(r"CLI::App& (\w+)", parameters) if name != "app"}
        owners |= {name: [command] for name, command in re.findall(rf"CLI::App& (\w+) =\s*\*{NEW}", body)}
        for name, listed in re.findall(r"for \(CLI::App\* const (\w+) :\s*\{(.*?)\}\)", body, re.S):
            owners[name] = re.findall(NEW, listed)
        note(given, re.findall(NEW, body), "--help")
        note(given, [""] * body.count("set_version_flag"), "--version")
        for owner, names in OPTION.findall(body):
            known = owners.get(owner) or re.findall(r'"([\w-]+)"', owner)
            attributed += bool(known)
            for name in names.split(","):
                note(given, known, name)
        for helper, owner in re.findall(r"\b(add_\w+)\(\s*(\w+)", body):
            note(helpers, owners.get(owner, []), "@" + helper)
        for helper, command in re.findall(rf"\b(add_\w+)\(\s*\*{NEW}", body):
            note(helpers, [command], "@" + helper)
    if attributed != len(re.findall(r"add_(?:option|flag|flag_callback)\(", text)):
        sys.exit(f"cmake/command_lines.py cannot tell which command each option of {program} belongs to")

    def all_of(name):
        return given.get(name, set()).union(*map(all_of, helpers.get(name, set())))

    return {name: all_of(name) for name in given if not name.startswith("@")}


@functools.lru_cache(None)
def options_of_all(root):
    found = {option for program in PROGRAMS for options in commands_of(program, root).values() for option in options}
    folders = [folder for folder in root.glob("[a-z]*/") if folder.name != "build"]
    for script in [*root.glob("scripts/*"), *(file for folder in folders for file in folder.rglob("*.py"))]:
        found |= set(re.findall(r"--[a-z][a-z-]*", script.read_text(encoding="utf-8")))
    return found


def command_lines(lines, fenced):
    """Number and text of what stands in code, continued lines joined."""
    number = 0
    while number < len(lines):
        start, line = number, lines[number]
        while fenced[number] and line.endswith("\\") and number + 1 < len(lines):
            number += 1
            line = line[:-1].rstrip() + " " + lines[number].lstrip()
        number += 1
        for text in [line] if fenced[start] else re.findall(r"`([^`]+)`", line):
            yield start + 1, text


def wrong_command(program, words, root):
    commands = commands_of(program, root)
    command = words[0].rstrip(":") if words and not words[0].startswith("-") else ""
    if command not in commands:
        return f"{program} has no subcommand {command}"
    options = [word.split("=")[0] for word in words if re.match(r"--\w", word)]
    unknown = [option for option in options if option not in commands[command]]
    return f"{program} {command} has no option {unknown[0]}" if unknown else None


def wrong_script(name, words, root):
    file = root / name
    if not file.is_file():
        return f"no {name}"
    text = file.read_text(encoding="utf-8")
    steps = re.findall(r"^step_(\w+)\(\)", text, re.M)
    for word in words:
        if word.startswith("--") and word not in text or steps and re.fullmatch(r"[a-z]+", word) and word not in steps:
            return f"{name} does not know {word}"
    return None


def words_of(text):
    """What is typed after a program's name, without an explanation behind it."""
    words = [word.strip("[](),.…'\"") for word in re.split(r"\s{2,}", text)[0].split()]
    return [word for word in words if word]


def wrong_commands(lines, fenced, root):
    for number, text in command_lines(lines, fenced):
        for program, rest in COMMAND.findall(text):
            words = words_of(rest)
            if program.startswith("scripts/"):
                wrong = wrong_script(program, words, root)
            else:
                wrong = words and wrong_command(program, words, root)
            if wrong:
                yield number, wrong
        # "drill --kit" without its program, in a sentence
        words = words_of(text)
        programs = [] if fenced[number - 1] else [name for name in PROGRAMS if words and words[0] in commands_of(name, root)]
        wrong = [wrong_command(program, words, root) for program in programs]
        if wrong and all(wrong):
            yield number, wrong[0]


def wrong_options(lines, fenced, root):
    """`--kit FILE` without a command, in a sentence."""
    for number, text in command_lines(lines, fenced):
        option = re.match(r"--[a-z][a-z-]*", text)
        if option and not fenced[number - 1] and option[0] not in options_of_all(root):
            yield number, f"no program or script has an option {option[0]}"

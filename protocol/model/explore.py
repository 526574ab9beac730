"""Visits every state of a model, breadth first, and stops at the first one in which a property fails."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    states: int
    violated: str | None  # the property, if one fails
    trace: tuple[str, ...]  # the steps that lead there: a shortest one
    complete: bool  # every state was visited


def explore(initial, steps, violation, most=2_000_000):
    """`steps(state)` yields (label, next state); `violation(state)` is a text, or None if all properties hold."""
    parent = {initial: None}
    frontier = [initial]
    if broken := violation(initial):
        return Outcome(1, broken, (), False)
    while frontier:
        reached = []
        for state in frontier:
            for label, after in steps(state):
                if after in parent:
                    continue
                parent[after] = (state, label)
                if broken := violation(after):
                    return Outcome(len(parent), broken, _trace(parent, after), False)
                reached.append(after)
        if len(parent) > most:
            return Outcome(len(parent), None, (), False)
        frontier = reached
    return Outcome(len(parent), None, (), True)


def _trace(parent, state):
    labels = []
    while parent[state] is not None:
        state, label = parent[state]
        labels.append(label)
    return tuple(reversed(labels))

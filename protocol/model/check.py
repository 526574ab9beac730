"""Explores both models, and checks that each can fail. Prints a line for each question.

    check.py [--traces] [--large] [PART-OF-A-NAME]

--traces prints how each attack goes, --large also visits the settings that take minutes.
"""

import sys
import time
from dataclasses import dataclass

import fates
import values
from fates import Plan
from values import NEW_RULES, OLD_RULES, Adversary


@dataclass(frozen=True)
class Question:
    name: str
    ask: object  # gives the outcome
    expects: str = ""  # part of the violated property's text; empty: all properties hold, in every state
    large: bool = False


def of(names):
    return frozenset(names)


# --- values.py: who learns what -------------------------------------------------------------------------------

TWO, THREE = ("A", "B"), ("A", "B", "C")


def learn(agents, adversary, rules=NEW_RULES, t=2, offers=2, deals=2, goal="anything"):
    setting = values.Setting(agents, t, adversary, rules, offers, deals)
    return lambda: values.run(setting, goal)


KEY = "the whole key"
VALUES = [
    # Under the rules as they are.
    Question("two agents, an administrator", learn(TWO, Adversary())),
    Question("two agents, kit and code", learn(TWO, Adversary(kit=True))),
    Question("two agents, kit and code, asks no agent", learn(TWO, Adversary(kit=True, asks=False))),
    Question("two agents, both identity keys stolen", learn(TWO, Adversary(identities=of("AB")))),
    Question("two agents, both identity keys stolen, kit and code",
             learn(TWO, Adversary(kit=True, identities=of("AB")))),
    Question("two agents, one is hostile", learn(TWO, Adversary(agents=of("B")))),
    Question("two agents, one is hostile, the other is put back",
             learn(TWO, Adversary(agents=of("B"), identities=of("A"), restores=1))),
    Question("two agents, an agent is put back, consents are withdrawn",
             learn(TWO, Adversary(kit=True, identities=of("B"), restores=1, withdrawals=True))),
    Question("two agents, a certificate that announces, no share, nobody objects",
             learn(TWO, Adversary(announces=True))),
    Question("two agents, kit and code, announces, nobody objects", learn(TWO, Adversary(kit=True, announces=True))),
    Question("two agents, kit and code, announces, operators object",
             learn(TWO, Adversary(kit=True, announces=True, withdrawals=True))),
    Question("three agents, a certificate that announces, no share, nobody objects",
             learn(THREE, Adversary(announces=True), offers=1)),
    Question("three agents, kit and code", learn(THREE, Adversary(kit=True), offers=1)),
    Question("three agents, all identity keys stolen", learn(THREE, Adversary(identities=of("ABC")), offers=1)),
    Question("three agents, one is hostile, another is put back",
             learn(THREE, Adversary(agents=of("C"), identities=of("A"), restores=1), offers=1)),
    Question("three agents of which all deal, two are hostile",
             learn(THREE, Adversary(agents=of("BC"), restores=1), t=3, offers=1, deals=3)),
    Question("three agents of which all deal, kit and code, an identity key",
             learn(THREE, Adversary(kit=True, identities=of("A")), t=3, offers=1, deals=3)),
    Question("three agents, three deals, all identity keys stolen, kit and code",
             learn(THREE, Adversary(kit=True, identities=of("ABC")), offers=1, deals=3), large=True),

    # The rules as they were, and known attacks.
    Question("OLD: the tool writes another's ceremony key, kit and code",
             learn(TWO, Adversary(kit=True), OLD_RULES, goal=KEY), KEY),
    Question("OLD: the same with an administrator's certificate alone, three agents",
             learn(THREE, Adversary(), OLD_RULES, goal=KEY), KEY),
    Question("an identity key signs the offer, no share is proven",
             learn(TWO, Adversary(kit=True, identities=of("B")), NEW_RULES - {"shares are proven"}, goal=KEY), KEY),
    Question("each agent wants its own operator's consent only: two plans",
             learn(TWO, Adversary(), NEW_RULES - {"consent of all dealers"}, goal="a share of several plans"),
             "by several plans"),
    Question("the same two plans, kit and code",
             learn(TWO, Adversary(kit=True), NEW_RULES - {"consent of all dealers"}, goal=KEY), KEY),

    # Each rule left out.
    Question("without: offers are signed", learn(TWO, Adversary(), NEW_RULES - {"offers are signed"}), "stranger"),
    Question("without: shares are proven",
             learn(TWO, Adversary(identities=of("B")), NEW_RULES - {"shares are proven"}), "stranger"),
    Question("without: recovery stays in a refresh",
             learn(TWO, Adversary(), NEW_RULES - {"recovery stays in a refresh"}), "stranger"),
    Question("without: consent of all dealers",
             learn(TWO, Adversary(), NEW_RULES - {"consent of all dealers"}), "stranger"),
    Question("without: own consent by own record, an identity key",
             learn(TWO, Adversary(identities=of("B")), NEW_RULES - {"own consent by own record"}), "stranger"),
    Question("without: own consent by own record, withdrawn",
             learn(TWO, Adversary(withdrawals=True), NEW_RULES - {"own consent by own record"}), "took the consent"),
    Question("without: new recovery key is certified",
             learn(TWO, Adversary(), NEW_RULES - {"new recovery key is certified"}), "stranger"),
    Question("without: parts are sealed to agents",
             learn(TWO, Adversary(kit=True, asks=False), NEW_RULES - {"parts are sealed to agents"}), "stranger"),
    Question("without: who announces proves the recovery share, a certificate alone",
             learn(TWO, Adversary(announces=True), NEW_RULES - {"who announces proves the recovery share"}, goal=KEY), KEY),
    Question("without: randomness is hedged, an agent is put back",
             learn(TWO, Adversary(agents=of("B"), restores=1), NEW_RULES - {"randomness is hedged"}, goal=KEY), KEY),
]

# --- fates.py: how handovers end ------------------------------------------------------------------------------

A_B, A_B_C, A_B_J = of("AB"), of("ABC"), of("ABJ")
REFRESH = Plan("refresh-1", 1, 0, A_B, A_B)
SAME_EPOCH = Plan("other-refresh-1", 1, 0, A_B, A_B)
LATER = Plan("refresh-2", 2, 0, A_B, A_B)
NEXT = Plan("next-2", 2, 1, A_B, A_B)  # follows refresh-1
GROW = Plan("grow-1", 1, 0, A_B_J, A_B, refresh=False)
GROW_LATER = Plan("grow-2", 2, 0, A_B_J, A_B, refresh=False)
REPLACE = Plan("replace-2", 2, 0, of("AJ"), A_B, refresh=False)
OF_THREE = Plan("refresh-1", 1, 0, A_B_C, A_B_C)
OF_THREE_LATER = Plan("refresh-2", 2, 0, A_B_C, A_B_C)
JOIN = Plan("join-1", 1, 0, of("ABCJ"), A_B_C, refresh=False)
OF_FOUR = Plan("refresh-1", 1, 0, of("ABCD"), A_B_C)


def end(plans, agents="AB", t=2, without=(), recovery=False, restores=0, only_loss=False, hostile=""):
    holders = of(agents) - of("J")
    setting = fates.Setting(tuple(agents), holders, t, plans, recovery, fates.RULES - of(without), restores,
                            of(hostile))
    return lambda: fates.run(setting, only_loss or bool(hostile))


PEERS = "peers remember what was said"
KEEPS = "going back keeps what was acknowledged"
FATES = [
    Question("two refreshes to one epoch", end((REFRESH, SAME_EPOCH))),
    Question("two refreshes", end((REFRESH, LATER))),
    Question("one refresh after another", end((REFRESH, NEXT))),
    Question("a refresh and a plan with a new agent, to one epoch", end((REFRESH, GROW), "ABJ")),
    Question("a refresh and a later plan with a new agent", end((REFRESH, GROW_LATER), "ABJ")),
    Question("a refresh and a plan that replaces an agent", end((REFRESH, REPLACE), "ABJ")),
    Question("three agents, all of whom are needed", end((OF_THREE,), "ABC", 3)),
    Question("a disk is put back, two agents and recovery", end((REFRESH,), recovery=True, restores=1)),
    Question("a disk is put back, three agents", end((OF_THREE,), "ABC", restores=1)),
    Question("three agents, one says both, all honest ones and recovery are needed",
             end((OF_THREE,), "ABC", 3, recovery=True, hostile="C")),
    Question("three agents, one says both, two refreshes",
             end((OF_THREE, OF_THREE_LATER), "ABC", 3, recovery=True, hostile="C"), large=True),
    Question("an agent joins, one says both, the honest ones and recovery are needed",
             end((JOIN,), "ABCJ", 3, recovery=True, hostile="C")),
    # Who had no share then has no peers to ask (README.md).
    Question("KNOWN: a joining agent's disk is put back to before it had a share",
             end((GROW,), "ABJ", restores=1), "all acknowledged was voided"),
    Question("a disk is put back, two agents and recovery, two refreshes",
             end((REFRESH, LATER), recovery=True, restores=1), large=True),
    Question("a disk is put back, four agents of which three are needed",
             end((OF_FOUR,), "ABCD", 3, restores=1), large=True),
    Question("three refreshes", end((REFRESH, SAME_EPOCH, NEXT)), large=True),
    Question("three agents, two refreshes", end((OF_THREE, OF_THREE_LATER), "ABC", 3), large=True),

    # Each rule left out.
    Question("without: an epoch is decided once",
             end((REFRESH, GROW), "ABJ", without=("an epoch is decided once",)), "two versions of one epoch"),
    Question("without: old shares go with the last acknowledgement",
             end((GROW,), "ABJ", without=("old shares go with the last acknowledgement",)), "the key is lost"),
    Question("without: a confirmed plan needs another's void",
             end((REFRESH,), without=("a confirmed plan needs another's void",)), "a client may follow"),
    Question("without: a void forgets the offer",
             end((REFRESH,), without=("a void forgets the offer",)), "a void is not final"),
    Question("without: going back keeps what was acknowledged, one agent says both",
             end((OF_THREE,), "ABC", 3, without=(KEEPS,), recovery=True,
                 hostile="C"), "the key is lost"),
    Question("without: peers remember what was said",
             end((OF_THREE,), "ABC", without=(PEERS,), restores=1), "all acknowledged was voided"),
    Question("without: peers remember what was said, going back needs the epoch before",
             end((OF_THREE,), "ABC", without=(PEERS, "going back needs the epoch before", KEEPS), restores=1,
                 only_loss=True), "the key is lost"),
    Question("without: peers remember what was said, four agents of which three are needed",
             end((OF_FOUR,), "ABCD", 3, without=(PEERS, KEEPS), restores=1, only_loss=True), "the key is lost", large=True),
]


def main(arguments):
    traces, large = "--traces" in arguments, "--large" in arguments
    wanted = [word for word in arguments if not word.startswith("--")]
    states, wrong, begun = 0, 0, time.monotonic()
    for model, questions in (("values", VALUES), ("fates", FATES)):
        for question in questions:
            if (question.large and not large) or any(word not in question.name for word in wanted):
                continue
            outcome = question.ask()
            states += outcome.states
            found = outcome.violated or ("holds" if outcome.complete else "not all states were visited")
            right = question.expects in found if question.expects else found == "holds"
            wrong += not right
            print(f"{'ok   ' if right else 'WRONG'} {model}: {question.name}: {outcome.states} states: {found}")
            if outcome.trace and (traces or not right):
                print("".join(f"        {i}. {step}\n" for i, step in enumerate(outcome.trace, 1)), end="")
    print(f"{states} states in {time.monotonic() - begun:.0f} s, {wrong} answers are wrong")
    return 1 if wrong or not states else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

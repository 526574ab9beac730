"""Who learns what in the handovers of one epoch (protocol/SPEC.md §13): offers, plans, consents, deals.

The adversary is the tool, with any certificate: it writes every plan and asks every agent in any order, as often as it
likes. What it can open it knows; what follows from that is computed exactly (algebra.py).
"""

from dataclasses import dataclass
from itertools import combinations, product

from algebra import Known, value_of
from explore import explore

MALLORY = "M"  # a party, an identity or a key of the adversary's
JOINER = "J"  # an honest agent that has no share yet
RECOVERY = "R"

# What an agent demands before it deals. Each can be left out.
NEW_RULES = frozenset({
    "offers are signed",  # each ceremony key by the identity key that R0 names for it
    "shares are proven",  # by each party that holds an index now
    "recovery stays in a refresh",  # its key; another one is a new code, which is no refresh
    "consent of all dealers",  # to this very plan
    "own consent by own record",  # not by a signature, which a stolen identity key makes too
    "new recovery key is certified",  # the organisation's certificate covers it, so that consent shows whose it is
    "parts are sealed to agents",  # what is dealt to the recovery key does not pass in the clear
    "randomness is hedged",  # by share and plan
    "who announces proves the recovery share",  # which deals in that plan; otherwise operators have to consent
})
# A tool's word for the other agents' keys, an approval by invitation, which the tool has; as it once was.
OLD_RULES = frozenset({"recovery stays in a refresh", "new recovery key is certified"})


@dataclass(frozen=True)
class Adversary:
    kit: bool = False  # kit and code: opens what is sealed to the recovery key, knows the recovery share
    asks: bool = True  # has the recovery administrator's certificate too: agents give it the parts, and record that
    identities: frozenset = frozenset()  # agents whose identity key is stolen, without the share
    agents: frozenset = frozenset()  # agents that are the adversary's, with their shares
    restores: int = 0  # how often a virtual machine can be put back, memory and generator included
    withdrawals: bool = False  # operators may take consents back
    announces: bool = False  # has a recovery administrator's certificate, and nobody objects while a plan waits


@dataclass(frozen=True)
class Setting:
    agents: tuple  # names, each with one index, from 1; the recovery party has the last
    t: int
    adversary: Adversary
    rules: frozenset = NEW_RULES
    offers: int = 2  # of each agent
    deals: int = 2  # in all

    @property
    def recovery_index(self):
        return len(self.agents) + 1

    def has(self, rule):
        return rule in self.rules


# A party of a plan: whose identity, which key (an offer's number, or Mallory's), and whose business it looks like.
@dataclass(frozen=True)
class Party:
    index: int
    identity: str
    key: object
    looks_like: str

    def __str__(self):
        owner = "" if self.looks_like == self.identity else f" as {self.looks_like}'s"
        return f"{self.index}:{self.identity}{owner}/key {self.key}"


@dataclass(frozen=True)
class Plan:
    parties: tuple
    recovery_key: str  # RECOVERY or MALLORY
    dealers: tuple

    def __str__(self):
        return (f"[{', '.join(map(str, self.parties))}; recovery key {self.recovery_key}; "
                f"dealers {','.join(map(str, self.dealers))}]")


@dataclass(frozen=True)
class State:
    offers: tuple  # of each agent: how many it made; the last one is in its memory
    dealt: tuple  # of each agent: the plan dealt for that offer, or None
    deals: frozenset  # (agent, plan, offer)
    restores: int
    withdrawn: bool = False  # somebody dealt by a plan to which its operator had taken back the consent


def plans(setting, state):
    """Every plan that the adversary can write, in view of the offers that were made."""
    choices = []
    for i, name in enumerate(setting.agents):
        number = state.offers[i]
        own = [Party(i + 1, name, number, name)] if number else []
        choices.append(own + [Party(i + 1, name, MALLORY, name), Party(i + 1, MALLORY, MALLORY, name)])
    new = setting.recovery_index + 1
    newcomers = [None, Party(new, JOINER, JOINER, JOINER), Party(new, JOINER, MALLORY, JOINER)]
    newcomers += [Party(new, MALLORY, MALLORY, name) for name in setting.agents]
    indices = range(1, setting.recovery_index + (1 if setting.adversary.kit else 0))
    for parties in product(*choices):
        # One stranger in a plan shows all that two would.
        strangers = sum(party.identity == MALLORY for party in parties)
        if strangers > 1:
            continue
        for newcomer in newcomers:
            if newcomer and strangers:
                continue
            for recovery_key in (RECOVERY, MALLORY):
                for dealers in combinations(indices, setting.t):
                    yield Plan(parties + ((newcomer,) if newcomer else ()), recovery_key, dealers)


def is_refresh(setting, plan):
    return (len(plan.parties) == len(setting.agents)
            and all(party.identity == setting.agents[party.index - 1] for party in plan.parties)
            and (plan.recovery_key == RECOVERY or not setting.has("recovery stays in a refresh"))
            and setting.recovery_index not in plan.dealers)


def dealing_agents(setting, plan):
    return [setting.agents[i - 1] for i in plan.dealers if i != setting.recovery_index]


def operator_consents(setting, plan, agent):
    """An operator sees who gets a share. He objects to strangers who look like his own party's, since he would know
    of them, and leaves to the others what looks like theirs. To a recovery key that is not certified as the
    company's he objects if he can see that."""
    if agent in setting.adversary.agents:
        return True
    if any(party.identity == MALLORY and party.looks_like == agent for party in plan.parties):
        return False
    return plan.recovery_key == RECOVERY or not setting.has("new recovery key is certified")


def is_left_to_the_announcer(setting, plan):
    """What whoever holds the recovery share announces, and nobody objects to, counts as the operators' consent."""
    return (setting.adversary.announces and setting.adversary.kit and setting.recovery_index in plan.dealers)


def announcement_stands(setting, plan):
    return setting.adversary.announces and (is_left_to_the_announcer(setting, plan)
                                            or not setting.has("who announces proves the recovery share"))


def consented(setting, plan, agent):
    return (operator_consents(setting, plan, agent) or agent in setting.adversary.identities
            or agent in setting.adversary.agents or is_left_to_the_announcer(setting, plan))


def consent_can_be_shown(setting, plan, agent):
    return consented(setting, plan, agent) or announcement_stands(setting, plan)


def own_consent(setting, plan, agent, withdrawn):
    """By the agent's own record. An operator who objects to what is announced takes it back, too."""
    return not withdrawn and (operator_consents(setting, plan, agent) or announcement_stands(setting, plan))


def offers_hold(setting, plan):
    adversary = setting.adversary
    for party in plan.parties:
        if party.key != MALLORY or party.identity == MALLORY:
            continue
        signed = party.identity in adversary.identities or party.identity in adversary.agents
        if setting.has("offers are signed") and not signed:
            return False
        if (setting.has("shares are proven") and party.identity in setting.agents
                and party.identity not in adversary.agents):
            return False
    return True


def authorized(setting, plan, agent, withdrawn):
    """Whether the agent may deal, as far as its operator is concerned."""
    if is_refresh(setting, plan):
        return True
    if not setting.has("consent of all dealers"):
        # An approval is a MAC by an invitation that the tool has; or, with "own consent by own record" alone, the
        # agent's own operator.
        return not setting.has("own consent by own record") or own_consent(setting, plan, agent, withdrawn)
    if not all(consent_can_be_shown(setting, plan, name) for name in dealing_agents(setting, plan)):
        return False
    return not setting.has("own consent by own record") or own_consent(setting, plan, agent, withdrawn)


def deals_by(setting, state, i, plan, withdrawn=False):
    agent = setting.agents[i]
    if i + 1 not in plan.dealers or state.offers[i] == 0 or state.dealt[i] is not None:
        return False
    own = next((party for party in plan.parties if party.identity == agent), None)
    if own and own.key != state.offers[i]:
        return False
    return offers_hold(setting, plan) and authorized(setting, plan, agent, withdrawn)


def steps(setting):
    honest = [i for i, name in enumerate(setting.agents) if name not in setting.adversary.agents]

    def replaced(values, i, value):
        return values[:i] + (value,) + values[i + 1:]

    def next_steps(state):
        for i, name in enumerate(setting.agents):
            if state.offers[i] < setting.offers:
                yield f"offer at {name}", State(replaced(state.offers, i, state.offers[i] + 1),
                                                replaced(state.dealt, i, None), state.deals, state.restores,
                                                state.withdrawn)
            if state.dealt[i] is not None and state.restores < setting.adversary.restores and i in honest:
                yield (f"{name} is put back to before it dealt",
                       State(state.offers, replaced(state.dealt, i, None), state.deals, state.restores + 1,
                             state.withdrawn))
        if len(state.deals) == setting.deals:
            return
        for plan in plans(setting, state):
            for i in honest:
                for withdrawn in ((False, True) if setting.adversary.withdrawals else (False,)):
                    if withdrawn and is_refresh(setting, plan):
                        continue
                    if not deals_by(setting, state, i, plan, withdrawn):
                        continue
                    label = f"{setting.agents[i]} deals by {plan}"
                    yield (label + (", whose consent was taken back" if withdrawn else ""),
                           State(state.offers, replaced(state.dealt, i, plan),
                                 state.deals | {(i, plan, state.offers[i])}, state.restores,
                                 state.withdrawn or withdrawn))

    return next_steps


def learnt(setting, deals):
    """The values that the adversary can open: (agent, plan, offer, index)."""
    adversary = setting.adversary
    values = set()
    for deal in deals:
        i, plan, offer = deal
        mine = [party for party in plan.parties
                if party.key == MALLORY or party.identity in adversary.agents]
        values.update((*deal, party.index) for party in mine)
        whole = all(any(d[1] == plan and d[0] + 1 == j for d in deals) or j == setting.recovery_index
                    or setting.agents[j - 1] in adversary.agents for j in plan.dealers)
        # Parts are at whoever opens the sealed parts; of a whole handover agents give them to role recovery.
        parts = bool(mine) or (whole and adversary.asks) or not setting.has("parts are sealed to agents")
        if parts and (plan.recovery_key == MALLORY or adversary.kit):
            values.add((*deal, setting.recovery_index))
        # Two proofs about one polynomial, with the same seeds and other challenges, show its value (§13.5).
        if not setting.has("randomness is hedged") and mine:
            for j, other, number in deals:
                if j == i and number == offer and other != plan and any(
                        p.key == MALLORY or p.identity in adversary.agents for p in other.parties):
                    values.add((*deal, setting.recovery_index))
    return values


def share(setting, index):
    return value_of({("s",): 1}, [("a", k) for k in range(1, setting.t)], index)


def whole_key(setting, deals):
    """Whether s follows from all that the adversary knows."""
    known = Known()
    for i, name in enumerate(setting.agents):
        if name in setting.adversary.agents:
            known.learn(share(setting, i + 1))
    if setting.adversary.kit:
        known.learn(share(setting, setting.recovery_index))
    for i, plan, offer, index in learnt(setting, deals):
        drawn = (i, offer) if not setting.has("randomness is hedged") else (i, offer, str(plan))
        unknowns = [("b", *drawn, k) for k in range(1, setting.t)]
        known.learn(value_of(share(setting, i + 1), unknowns, index))
    return known.follows({("s",): 1})


def entitled(setting, plan, index):
    """Whether the adversary may have values for this index: it holds the index now and in the plan, or the plan
    names it as a party, openly, with the consents of all dealing agents."""
    adversary = setting.adversary
    if index == setting.recovery_index:
        keeps_parts = any(entitled(setting, plan, party.index) for party in plan.parties)
        if plan.recovery_key == MALLORY:
            return is_left_to_the_announcer(setting, plan)
        return adversary.kit and (adversary.asks or keeps_parts)
    party = next(party for party in plan.parties if party.index == index)
    if party.identity in adversary.agents:
        return True
    return party.identity == MALLORY and all(consented(setting, plan, name)
                                             for name in dealing_agents(setting, plan))


def share_of_several_plans(setting, deals):
    """Values for one index by a quorum of dealers are a share, whatever plans they were dealt by: the sum is linear."""
    values = learnt(setting, deals)
    for index in {index for _, _, _, index in values}:
        dealers = {i for i, _, _, j in values if j == index}
        if len(dealers) >= setting.t and len({plan for _, plan, _, j in values if j == index}) > 1:
            return f"a stranger has a whole share for index {index}, by several plans"
    return None


def violation(setting, goal):
    adversary = setting.adversary
    had = len(adversary.agents) + (1 if adversary.kit else 0)

    def check(state):
        if goal == "the whole key":
            return "the whole key is known" if had < setting.t and whole_key(setting, state.deals) else None
        if goal == "a share of several plans":
            return share_of_several_plans(setting, state.deals)
        if state.withdrawn:
            return "an agent deals after its operator took the consent back"
        values = learnt(setting, state.deals)
        # Two views of the same values: who, and how many.
        for i, plan, offer, index in values:
            if not entitled(setting, plan, index):
                known = "; and that is the whole key" if whole_key(setting, state.deals) else ""
                return f"a value of {setting.agents[i]} for index {index} reaches a stranger{known}"
        for plan in {plan for _, plan, _, _ in values}:
            for party in plan.parties:
                if party.identity != MALLORY:
                    continue
                got = {i + 1 for i, p, _, index in values if p == plan and index == party.index}
                agents = {j for j in plan.dealers if j != setting.recovery_index
                          and setting.agents[j - 1] not in adversary.agents}
                if agents <= got and not is_left_to_the_announcer(setting, plan) and not all(
                        operator_consents(setting, plan, name) for name in dealing_agents(setting, plan)):
                    return f"a stranger has a whole share for index {party.index}, to which not all operators agreed"
        named = any(party.identity == MALLORY for _, plan, _ in state.deals for party in plan.parties)
        if had < setting.t and not named and whole_key(setting, state.deals):
            return "the whole key is known to who held too little of it"
        return None

    return check


def run(setting, goal="anything", most=2_000_000):
    """With the goal "the whole key" smaller faults are passed over: for showing how an attack goes to its end."""
    n = len(setting.agents)
    initial = State((0,) * n, (None,) * n, frozenset(), 0)
    return explore(initial, steps(setting), violation(setting, goal), most)

"""How handovers of one key end (protocol/SPEC.md §13.6): prepared, activated, acknowledged, aborted, put back.

Messages are true here (values.py and the proofs see to that). The adversary decides which step is asked of whom: in
any order, again, or never. It keeps all that was ever said, and shows any of it to anybody. A hostile agent says
whatever it likes, also the contrary of what it said before.
"""

from dataclasses import dataclass
from typing import NamedTuple

from explore import explore

# What the agents do to be safe. Each can be left out.
RULES = frozenset({
    "an epoch is decided once",
    "old shares go with the last acknowledgement",
    "a confirmed plan needs another's void",
    "a void forgets the offer",
    "going back needs the epoch before",
    "going back keeps what was acknowledged",  # matters only if an agent is hostile
    "peers remember what was said",  # the active epoch and the decided one; matters only if a store is put back
})


@dataclass(frozen=True)
class Plan:
    name: str
    epoch: int
    follows: int  # 0: the key generation; otherwise the number of a plan, from 1
    parties: frozenset  # agents of the new epoch
    dealers: frozenset
    refresh: bool = True


@dataclass(frozen=True)
class Setting:
    agents: tuple  # all that occur
    holders: frozenset  # of the key, at the start
    t: int
    plans: tuple  # number 1 is plans[0]
    recovery: bool = False  # one share more, where an agent keeps its parts
    rules: frozenset = RULES
    restores: int = 0  # how often an agent's disk is put back to a copy of it
    hostile: frozenset = frozenset()  # of the agents; what they hold is not counted on


# Sets of plans are bits: 1 << number. Tuples, so that a state is hashed fast.
class Agent(NamedTuple):
    # On its disk.
    active: int = -1  # −1: no share; 0: that of the key generation; else of a plan
    superseded: tuple = ()  # older versions whose shares are kept
    prepared: int = 0
    shelved: int = 0  # what it went back from, and keeps the shares of
    decided: int = 0
    chain: int = 0  # the versions in its bundle
    least: int = 0  # the peers say: it had this epoch
    spoken: int = 0  # the peers say: it had this epoch active, so it acknowledged it
    settled: int = 0  # the peers say: it had decided this epoch
    # In its memory: offers that can be used, those by which it dealt, those that are gone. Each is made once.
    offered: int = 0
    dealt: int = 0
    gone: int = 0


# Sets of statements are bits too, one of each agent and plan.
class State(NamedTuple):
    agents: tuple
    deals: int = 0
    confirms: int = 0
    acks: int = 0
    voids: int = 0
    heard: tuple = ()  # of each agent, by its peers: the epochs that it published, had active, had decided
    copy: object = None  # (agent, its disk)
    restored: int = 0


def forget(agent, offers):
    return agent._replace(offered=agent.offered & ~offers, dealt=agent.dealt & ~offers, gone=agent.gone | offers)


LOST = "the key is lost: no epoch has t shares that can be used"


class Model:
    def __init__(self, setting, only_loss):
        self.s = setting
        self.only_loss = only_loss
        self.plans = list(enumerate(setting.plans, 1))
        self.stride = len(setting.plans) + 1
        self.epochs = (0, *(plan.epoch for plan in setting.plans))
        self.follows = (None, *(plan.follows for plan in setting.plans))
        indices = {name: i for i, name in enumerate(setting.agents)}
        self.parties = [{indices[name] for name in setting.holders}]
        self.parties += [{indices[name] for name in plan.parties} for plan in setting.plans]
        self.dealers = [set()] + [{indices[name] for name in plan.dealers} for plan in setting.plans]
        self.of_all = [sum(self.bit(i, p) for i in parties) for p, parties in enumerate(self.parties)]
        self.of_dealers = [sum(self.bit(i, p) for i in dealers) for p, dealers in enumerate(self.dealers)]
        self.hostile = {indices[name] for name in setting.hostile}
        for rule in RULES:
            setattr(self, rule.replace(" ", "_").replace("'", ""), rule in setting.rules)

    def bit(self, i, p):
        return 1 << (i * self.stride + p)

    # Each step: the agent afterwards and what it newly says, or None if it refuses or nothing changes.

    def offer(self, state, agent, i, p):
        if (agent.gone | agent.offered) >> p & 1:
            return None
        if agent.active < 0:  # one offer for each invitation
            return (agent._replace(offered=agent.offered | 1 << p), None) if i in self.parties[p] else None
        return forget(agent, agent.offered)._replace(offered=1 << p), None

    def deal(self, state, agent, i, p):
        plan = self.s.plans[p - 1]
        if not agent.offered >> p & 1 or agent.dealt >> p & 1 or agent.active < 0 or agent.active != plan.follows:
            return None
        if self.an_epoch_is_decided_once and plan.epoch <= max(agent.decided, agent.settled):
            return None
        if plan.refresh and (agent.prepared or agent.superseded):
            return None
        return agent._replace(dealt=agent.dealt | 1 << p), "deals" if i in self.dealers[p] else None

    def prepare(self, state, agent, i, p):
        joins = agent.active < 0
        if not (agent.offered if joins else agent.dealt) >> p & 1 or i not in self.parties[p]:
            return None
        if state.deals & self.of_dealers[p] != self.of_dealers[p]:
            return None
        if agent.prepared if joins else agent.active != self.follows[p]:
            return None
        after = forget(agent, 1 << p)
        return after._replace(prepared=p, decided=max(agent.decided, self.epochs[p])), "confirms"

    def activate(self, state, agent, i, p):
        if agent.prepared != p or agent.active not in (-1, self.follows[p]):
            return None
        if state.confirms & self.of_all[p] != self.of_all[p]:
            return None
        older = agent.superseded + ((agent.active,) if agent.active >= 0 else ())
        return agent._replace(active=p, superseded=older, prepared=0, chain=agent.chain | 1 << p), "acks"

    def retire(self, state, agent, i, p):
        if state.confirms & self.of_all[p] != self.of_all[p]:
            return None
        if self.old_shares_go_with_the_last_acknowledgement and state.acks & self.of_all[p] != self.of_all[p]:
            return None
        all_say = state.acks & self.of_all[p] == self.of_all[p]
        older = sum(1 << q for q, _ in self.plans if self.epochs[q] <= self.epochs[p])
        if agent.shelved >> p & 1 and all_say and not agent.prepared and self.is_later(p, agent):
            return agent._replace(active=p, superseded=(), shelved=agent.shelved & ~older, chain=1 << p), None
        if agent.active == p and (agent.superseded or agent.shelved & older):
            return agent._replace(superseded=(), shelved=agent.shelved & ~older), None
        if agent.active == self.follows[p] and i not in self.parties[p]:
            left = forget(agent, agent.offered)._replace(active=-1, superseded=(), prepared=0)
            return left._replace(chain=agent.chain | 1 << p, decided=max(agent.decided, self.epochs[p])), None
        return None

    def abort(self, state, agent, i, p):
        if agent.active < 0:  # by its invitation
            if i not in self.parties[p]:
                return None
            after = agent._replace(prepared=0) if agent.prepared == p else agent
            return forget(after, 1 << p) if self.a_void_forgets_the_offer else after, "voids"
        confirmed, activated = agent.prepared == p, agent.active == p
        if not activated and agent.chain >> p & 1:
            return None  # finished
        if confirmed or activated:
            others = self.of_all[p] & ~self.bit(i, p)
            if not state.voids & others and (activated or self.a_confirmed_plan_needs_anothers_void):
                return None
        elif self.epochs[p] <= agent.spoken:
            return None  # it may have acknowledged this, and does not know it any more
        if activated:
            return self.go_back(agent, i, p)
        after = agent._replace(prepared=0) if confirmed else agent
        after = after._replace(decided=max(after.decided, self.epochs[p]))
        return forget(after, agent.offered | 1 << p) if self.a_void_forgets_the_offer else after, "voids"

    def go_back(self, agent, i, p):
        if agent.prepared:
            return None
        back = agent._replace(chain=agent.chain & ~(1 << p))
        if self.going_back_keeps_what_was_acknowledged:
            back = back._replace(shelved=back.shelved | 1 << p)
        if agent.superseded:
            return back._replace(active=agent.superseded[-1], superseded=agent.superseded[:-1]), "voids"
        if i in self.parties[self.follows[p]] and self.going_back_needs_the_epoch_before:
            return None
        return back._replace(active=-1), "voids"

    def put_back(self, state, i):
        """The disk is as it was, the memory empty. The agent asks its peers before it serves anybody."""
        now, disk = state.agents[i], state.copy[1]
        published, active, decided = state.heard[i]
        agent = disk._replace(gone=now.gone | now.offered, least=max(disk.least, published))
        if not self.peers_remember_what_was_said:
            return agent
        spoken = active if active > self.epochs[max(disk.active, 0)] else 0
        return agent._replace(spoken=max(disk.spoken, spoken), settled=max(disk.settled, decided))

    def changed(self, state, i, agent, **others):
        agents = state.agents[:i] + (agent,) + state.agents[i + 1:]
        heard = state.heard
        if self.s.restores:
            oldest = agent.superseded[0] if agent.superseded else max(agent.active, 0)
            now = self.epochs[oldest], self.epochs[max(agent.active, 0)], agent.decided
            heard = heard[:i] + (tuple(map(max, heard[i], now)),) + heard[i + 1:]
        return state._replace(agents=agents, heard=heard, **others)

    def steps(self, state):
        asked = (("offer", self.offer), ("deal", self.deal), ("prepare", self.prepare), ("activate", self.activate),
                 ("retire", self.retire), ("abort", self.abort))
        for i, name in enumerate(self.s.agents):
            agent = state.agents[i]
            if i in self.hostile:
                yield from self.lies(state, i, name)
                continue
            if agent.offered:
                yield f"{name} restarts", self.changed(state, i, forget(agent, agent.offered))
            if self.s.restores > state.restored:
                if state.copy is None:
                    disk = agent._replace(offered=0, dealt=0, gone=0)
                    yield f"{name}'s disk is copied", state._replace(copy=(i, disk))
                elif state.copy[0] == i:
                    after = self.changed(state, i, self.put_back(state, i))
                    yield f"{name}'s disk is put back", after._replace(restored=state.restored + 1)
            if self.stopped(agent):
                continue
            for p, plan in self.plans:
                for what, step in asked:
                    answer = step(state, agent, i, p)
                    if answer is None:
                        continue
                    after, says = answer
                    counts = says and i in self.parties[p] | self.dealers[p]  # others' words are heard by nobody
                    others = {says: getattr(state, says) | self.bit(i, p)} if counts else {}
                    yield f"{what} {plan.name} at {name}", self.changed(state, i, after, **others)

    def lies(self, state, i, name):
        for p, plan in self.plans:
            for says, by in (("deals", self.dealers), ("confirms", self.parties), ("acks", self.parties),
                             ("voids", self.parties)):
                said = getattr(state, says)
                if i in by[p] and not said & self.bit(i, p):
                    yield f"{name} {says} {plan.name}", state._replace(**{says: said | self.bit(i, p)})

    def stopped(self, agent):
        return agent.active >= 0 and self.epochs[agent.active] < agent.least

    def can_resume(self, state, agent, i, version):
        """Perhaps after it went back from what it took up meanwhile."""
        if self.is_later(version, agent):
            return True
        voided = state.voids & self.of_all[agent.active] & ~self.bit(i, agent.active)
        return agent.superseded and self.epochs[agent.superseded[-1]] < self.epochs[version] and voided

    def is_later(self, version, agent):
        return agent.active < 0 or self.epochs[version] > self.epochs[agent.active]

    def usable(self, state, version):
        """How many shares of a version can be used, or be brought to it."""
        complete = version and state.confirms & self.of_all[version] == self.of_all[version]
        acknowledged = version and state.acks & self.of_all[version] == self.of_all[version]
        shares = 0
        for i, agent in enumerate(state.agents):
            if i in self.hostile or self.stopped(agent):
                continue
            if acknowledged and agent.shelved >> version & 1 and self.can_resume(state, agent, i, version):
                shares += 1
                continue
            shares += (agent.active == version or version in agent.superseded
                       or complete and agent.prepared == version and agent.active in (-1, self.follows[version]))
        return shares + (1 if self.s.recovery and shares else 0)

    def violation(self, state):
        if all(self.usable(state, version) < self.s.t for version in range(self.stride)):
            return LOST
        if self.only_loss:
            return None
        complete = [p for p, _ in self.plans if state.confirms & self.of_all[p] == self.of_all[p]]
        if len({self.epochs[p] for p in complete}) < len(complete):
            return "two versions of one epoch, each confirmed by all of its parties"
        taken = [p for p in complete if state.acks & self.of_all[p] == self.of_all[p]]
        if len({self.follows[p] for p in taken}) < len(taken):
            return "a fork: two versions after one epoch, each acknowledged by all of its parties"
        for p in taken:
            if state.voids & self.of_all[p]:
                return "a version that all acknowledged was voided"
        if self.s.restores:  # what one agent forgot it can say otherwise
            return None
        for i, agent in enumerate(state.agents):
            for p, plan in self.plans:
                if state.voids & self.bit(i, p) and p in (agent.active, agent.prepared):
                    return f"a void is not final: {self.s.agents[i]} takes part in {plan.name}, which it voided"
        if all(plan.refresh for plan in self.s.plans):
            for p in complete:
                if state.voids & self.of_all[p]:
                    return "a version that a client may follow, since all confirmed it, was voided"
        return None


def run(setting, only_loss=False, most=2_000_000):
    """With `only_loss` other faults are passed over: for showing what they lead to."""
    model = Model(setting, only_loss)
    agents = tuple(Agent(active=0) if name in setting.holders else Agent() for name in setting.agents)
    heard = tuple((0, 0, 0) for _ in setting.agents) if setting.restores else ()
    return explore(State(agents=agents, heard=heard), model.steps, model.violation, most)

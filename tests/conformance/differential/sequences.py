"""Long sequences of requests, the same to Apache Kafka and to us, in which the states of topics, logs, producers,
transactions, groups and sessions meet. A seed makes a sequence; one that differs is cut down as long as it does, and
told with both answers. What was found so is in found.py, and is played too.

A step is (connection, api, version, values, keep): see universe.py for what values may say; keep names what the answer
tells (a producer, a member, a session). (connection, "close") closes one."""
import itertools
import re
import time

import choices
import found
import groups
import sides
import transactions
import universe
from maker import Maker
from topics import topic

STEPS = 200
SEEDS = range(1, 11)  # of `make test`
PLAYS = 3             # a difference counts when it shows each time: what depends on Apache Kafka's threads does not
TOLD_CHARACTERS = 1500
CUT_SECONDS = 30
FIRST_PRODUCER_IDS = 10  # that go to nobody
LATE_SECONDS = 20     # one side has answered what waited, the other has not
TOPIC_APIS = ("CreateTopics", "DeleteTopics", "CreatePartitions")
METADATA_APIS = (*TOPIC_APIS, "AlterConfigs", "IncrementalAlterConfigs")
counter = itertools.count(1)


class Difference:
    def __init__(self, index, step, lines, answers):
        self.index, self.step, self.lines, self.answers = index, step, lines, answers

    def resembles(self, other):
        """Whether it is the same field of the same API."""
        kinds = [(one.step[1], re.sub(r"v\d+|\[\d+\]", "", one.lines[0]).split(": ")[1]) for one in (self, other)]
        return kinds[0] == kinds[1]


def waits(api, values):
    return api in ("JoinGroup", "SyncGroup") or (api == "Fetch" and values["maxWaitMs"] > 0)


class Undecided(Exception):
    """What comes next hangs on random ids."""


class Play:
    """One sequence, step by step on both sides: what waits is read at the same step of both."""

    def __init__(self, pair, listed):
        self.count = next(counter)
        self.worlds = [universe.World(side, f"s{self.count}-") for side in pair]
        self.listed, self.waiting = listed, {}
        self.leaders = {}    # of groups, as long as both sides have the same
        self.behind = set()  # groups that have not heard of the newest topics
        self.changes = itertools.count(self.count << 20)

    def run(self, steps):
        """The first difference, or None."""
        try:
            for index, step in enumerate(steps):
                self.index, self.api = index, step[1]
                found = self.close(step[0]) if step[1] == "close" else self.step(step)
                if found is not None:
                    return found
            return None
        except Undecided:
            return None
        finally:
            for world in self.worlds:
                world.end()

    def close(self, name):
        self.waiting.pop(name, None)
        for world in self.worlds:
            world.connection(name).close()

    def step(self, step):
        name, api, version, values, keep = step
        if self.makes_forget(name, api, values) or self.leaves_empty_group(api, values) \
                or self.ends_group(api, values) or (api == "Heartbeat" and values["groupId"][1:] in self.behind):
            return None
        while name in self.waiting:
            name += "'"
        for world, asked in [(world, world.resolve(values)) for world in self.worlds]:
            world.connection(name).send(api, version, asked)
        if waits(api, values):
            self.waiting[name] = step
            return self.collect()
        quiet = api == "Produce" and values["acks"] == 0
        answers = [self.receive(world.connection(name), quiet) for world in self.worlds]
        self.learn(step, answers)
        found = self.compare(step, answers)
        self.settle(api, values, keep, answers)
        return found or self.collect()

    def makes_forget(self, name, api, values):
        """Apache Kafka never answers the request of a member that sends another one, or leaves while it waits for its
        assignment."""
        syncing = {step[3]["groupId"] for step in self.waiting.values() if step[1] == "SyncGroup"}
        return (name in self.waiting and api in ("JoinGroup", "SyncGroup")) or \
            (api == "LeaveGroup" and values["groupId"] in syncing)

    def leaves_empty_group(self, api, values):
        """A commit of which nothing is accepted leaves a group in the memory of Apache Kafka, which is seen once something
        else is written to the partition of that group, and until a restart."""
        if api != "OffsetCommit" or choices.TOO_LARGE not in str(values):
            return False
        known = self.worlds[0].ask("ListGroups", 5, {})["groups"]
        return self.worlds[0].resolve(values["groupId"]) not in [group["groupId"] for group in known]

    def ends_group(self, api, values):
        """A member with an id that joins a consumer group without members is refused, and ends that group in the memory of
        Apache Kafka; others see that once something else is written to the partition of that group."""
        if api != "JoinGroup" or self.worlds[0].resolve(values["memberId"]) == "":
            return False
        groups = [world.ask("ConsumerGroupDescribe", 1, {"groupIds": [world.resolve(values["groupId"])]})["groups"]
                  for world in self.worlds]
        return any(group["groupState"] == "Empty" for (group,) in groups)

    def receive(self, connection, quiet):
        if not quiet:
            return connection.receive_patiently()
        connection.send("Metadata", 9, {"topics": []})
        return {"closed": connection.answer() == sides.CLOSED}

    def learn(self, step, answers):
        if step[1] in TOPIC_APIS:
            # A heartbeat of a classic member has its group hear of them, though not with Apache Kafka.
            self.behind = set(choices.MIXED)
        elif step[1] in ("JoinGroup", "ConsumerGroupHeartbeat") and all(
                isinstance(answer, dict) and answer["errorCode"] == 0 for answer in answers):
            self.behind.discard((step[4] or "").split("/")[0])
        for world, answer in zip(self.worlds, answers):
            world.learn_answer(step[1], answer, step[4])

    def compare(self, step, answers):
        _, api, version, _, _ = step
        forms = [world.masked(api, answer) for world, answer in zip(self.worlds, answers)]
        if api == "JoinGroup":
            self.look_at_leader(step[3]["groupId"], forms)
        lines = [f"v{version} in a sequence: {line}" for line in sides.differences(*forms)]
        lines = [line for line in lines if not self.listed.covers(api, line)]
        return Difference(self.index, step, lines, forms) if lines else None

    def look_at_leader(self, group, forms):
        """Once the first one is gone, Apache Kafka takes the next from a map by the members' ids."""
        leaders = [form["leader"] if isinstance(form, dict) else "" for form in forms]
        if leaders[0] == leaders[1]:
            self.leaders[group] = leaders[0] or self.leaders.get(group)
        elif all(leaders) and self.leaders.get(group) not in leaders:
            raise Undecided

    def settle(self, api, values, keep, answers):
        """Nothing goes on beside the requests, on neither side."""
        for world, answer in zip(self.worlds, answers):
            if api in METADATA_APIS:
                world.settle_metadata(next(self.changes))
            elif api in ("EndTxn", "InitProducerId") and keep is not None:
                world.settle_transaction(keep)
            elif api == "ConsumerGroupHeartbeat" and values["$beat"].get("expression") and isinstance(answer, dict):
                world.settle_expression(answer, keep.split("/")[0])

    def collect(self):
        """What waited and has been answered, on both sides."""
        if not self.waiting:
            return None
        for world in self.worlds:
            world.pass_by()
        answered = []
        for name in list(self.waiting):
            connections = [world.connection(name) for world in self.worlds]
            if not any(connection.readable(0) for connection in connections):
                continue
            step = self.waiting.pop(name)
            late = [not connection.readable(LATE_SECONDS) for connection in connections]
            answers = ["it still waits" if waits_on else connection.answer()
                       for waits_on, connection in zip(late, connections)]
            self.learn(step, answers)
            # Apache Kafka deletes one partition after the other, and answers who waits for several at the first.
            if self.api != "DeleteTopics" or step[1] != "Fetch":
                answered.append((step, answers))
        found = [self.compare(*one) for one in answered]
        return next(filter(None, found), None)


def prepare(pair):
    """What every sequence stands on."""
    for side in pair:
        side.ask("CreateTopics", 7, {"topics": [topic("sequences")]})
        side.await_topics(["sequences"])
        groups.find(side)
        transactions.coordinators(side)
        # 0 says "none" in other answers, and batches of data.py name some of the others.
        for _ in range(FIRST_PRODUCER_IDS):
            universe.Connection(side.apis, side.broker, side.port).ask_patiently("InitProducerId", 4, {
                "transactionalId": None, "transactionTimeoutMs": 60000})


def differs(steps, pair, listed):
    """The difference that shows each time, or None."""
    found = None
    for _ in range(PLAYS):
        found = Play(pair, listed).run(steps)
        if found is None:
            return None
    return found


def without_one(value):
    """The value without one item of a list in it, in every way."""
    if isinstance(value, dict):
        for key, inner in value.items():
            for less in () if key.startswith("$") else without_one(inner):
                yield {**value, key: less}
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            if len(value) > 1:
                yield value[:i] + value[i + 1:]
            for less in without_one(inner):
                yield value[:i] + [less] + value[i + 1:]


def fewer(steps, still_differs):
    """Without what is not needed; still_differs(steps) gives how far they are needed, or None."""
    size = len(steps) // 2
    while size:
        at = 0
        while at < len(steps):
            needed = still_differs(steps[:at] + steps[at + size:])
            if needed is None:
                at += size
            else:
                steps = (steps[:at] + steps[at + size:])[:needed]
        size //= 2
    return steps


def smaller(steps, still_differs):
    """With as little in each as can be."""
    at = 0
    while at < len(steps):
        for values in without_one(steps[at][3]) if len(steps[at]) > 2 else ():
            less = [*steps[:at], (*steps[at][:3], values, steps[at][4]), *steps[at + 1:]]
            if still_differs(less) is not None:
                steps = less
                break
        else:
            at += 1
    return steps


def cut_down(steps, difference, pair, listed):
    """As little as still differs in that way, and how."""
    deadline = time.monotonic() + CUT_SECONDS

    def still_differs(tried):
        found = Play(pair, listed).run(tried) if tried and time.monotonic() < deadline else None
        return found.index + 1 if found is not None and found.resembles(difference) else None

    short = smaller(fewer(steps[:difference.index + 1], still_differs), still_differs)
    found = differs(short, pair, listed)
    return (short, found) if found is not None else (steps[:difference.index + 1], difference)


def told(name, steps, difference):
    """For a reader, and to be kept in found.py."""
    text = "\n".join(f"        {step!r}," for step in steps)
    theirs, ours = (repr(form)[:TOLD_CHARACTERS] for form in difference.answers)
    return f"{name} differs at {difference.step[1]}:\n" + "\n".join(difference.lines) + \
        f"\n    (\n{text}\n    )\nApache Kafka: {theirs}\nbarnabas: {ours}"


def play_found(pair, listed):
    """Those that differed once: how many still do."""
    failed = 0
    for name, steps in found.CASES.items():
        difference = differs(list(steps), pair, listed)
        if difference is not None:
            failed += 1
            print(f"FAIL sequence of {told(name, steps, difference)}", flush=True)
    return failed


def play_seeds(seeds, pair, listed):
    served = Maker.served_by(pair)
    failed = 0
    for seed in seeds:
        steps = Maker(seed, served).sequence(STEPS)
        difference = Play(pair, listed).run(steps)
        if difference is None:
            continue
        print(f"     seed {seed}: {difference.step[1]} {difference.lines[0][:300]}", flush=True)
        if differs(steps, pair, listed) is not None:
            failed += 1
            text = told(f"seed {seed}", *cut_down(steps, difference, pair, listed))
            print(f"FAIL sequence of {text}", flush=True)
    return failed


def run(pair, seeds, listed):
    """Plays what was found, and these seeds or else a fixed choice: whether something differs."""
    prepare(pair)
    began = time.monotonic()
    seeds = SEEDS if seeds is None else seeds
    failed = play_found(pair, listed) + play_seeds(seeds, pair, listed)
    if not failed:
        print(f"PASS sequences: {len(found.CASES)} that were found and {len(seeds)} seeds of {STEPS} requests in "
              f"{time.monotonic() - began:.0f} s", flush=True)
    return failed > 0

"""Classic groups whose members meet: several connections a case, each with a member of its own. A case plays
a scene on each side and compares every answer of it. What waits for others is awaited, or comes to the same
whichever of two requests is first."""
import time

import sides
from groups import BOTH, ONE, RANGE, TOPIC, assignment, commit, find, heartbeat, join, leave, subscription, sync
from topics import topic

OTHER = [{"name": "other", "metadata": b"x"}]
ROBIN = [{"name": "roundrobin", "metadata": subscription(TOPIC)}]


class Member(sides.Side):
    """One connection, and who the broker takes it for."""

    def __init__(self, stage, name):
        super().__init__(stage.side.apis, stage.side.broker, stage.side.port)
        self.stage, self.name, self.id, self.generation, self.instance = stage, name, "", -1, None
        self.protocols = RANGE

    def version(self, api):
        return min(self.stage.version, self.apis.versions(api)[-1])

    def send(self, api, values):
        """Without waiting for the answer."""
        version = self.version(api)
        self.sent = api, version
        self.correlation_id += 1
        self.send_bytes(self.apis.request(api, version, self.correlation_id, self.substitute(values, version)))

    def answer(self, note=True):
        api, version = self.sent
        data = self.answer_bytes()
        found = data if isinstance(data, str) else self.apis.response(api, version, data)[1]
        if api == "JoinGroup" and isinstance(found, dict) and found["errorCode"] in (0, 79):
            self.id, self.generation = found["memberId"], found["generationId"]
            self.stage.ids[self.id] = self.name
        if note:
            self.stage.note(f"{self.name}: {api}", found)
        return found

    def ask(self, api, values, note=True):
        self.send(api, values)
        return self.answer(note)

    def join(self, protocols=None, id_=None, wait=True, **more):
        """Also over the id that newer versions hand out first. Without wait the answer is left for later."""
        self.protocols = protocols or self.protocols
        make = join(self.stage.group, self.id if id_ is None else id_, self.instance, self.protocols, **more)
        self.send("JoinGroup", make)
        if not self.id and self.instance is None and self.version("JoinGroup") >= 4:
            self.answer(note=False)
            self.send("JoinGroup", join(self.stage.group, self.id, None, self.protocols, **more))
        return self.answer() if wait else None

    def request(self, make, **more):
        instance = {"instance": self.instance} if self.instance and self.stage.version >= 5 else {}
        return lambda side, version: make(self.stage.group, self.id, self.generation, version, **instance, **more)

    def sync(self, *whom, wait=True, **more):
        """whom: the members that get an assignment, a partition each."""
        given = [{"memberId": one.id, "assignment": assignment(TOPIC, i)} for i, one in enumerate(whom)]
        self.send("SyncGroup", self.request(sync, assignments=given, **more))
        return self.answer() if wait else None

    def beat(self):
        return self.ask("Heartbeat", self.request(heartbeat))

    def leave(self):
        return self.ask("LeaveGroup", leave(self.stage.group, [(self.id, None)]))

    def commit(self):
        return self.ask("OffsetCommit", lambda side, version: commit(
            self.stage.group, ONE, self.id, self.generation, self.instance)(side, version))


class Stage:
    """What a scene is played with; its answers in their order."""

    def __init__(self, side, name, version):
        self.side, self.version, self.group = side, version, f"{name}-{version}"
        self.ids, self.answers, self.members = {}, [], []
        self.watcher = self.member("watcher")

    def member(self, name, instance=None, protocols=RANGE):
        made = Member(self, name)
        made.instance, made.protocols = instance, protocols
        self.members.append(made)
        return made

    def named(self, value):
        if isinstance(value, dict):
            return {key: self.named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.named(item) for item in value]
        return self.ids.get(value, value) if isinstance(value, str) else value

    def note(self, what, answer):
        self.answers.append([f"{len(self.answers)} {what}", answer])

    def state(self, note=True):
        found = self.watcher.ask("DescribeGroups", {"groups": [self.group]}, note)
        return found["groups"][0]["groupState"]

    def until(self, state):
        for _ in range(2000):
            if self.state(note=False) == state:
                return
            time.sleep(0.01)
        raise AssertionError(f"{self.group} is {self.state(note=False)}, not {state}")

    def until_members(self, count):
        """Until so many have joined: what waits is in the group."""
        for _ in range(2000):
            found = self.watcher.ask("DescribeGroups", {"groups": [self.group]}, note=False)["groups"][0]
            if len(found["members"]) == count:
                return
            time.sleep(0.01)
        raise AssertionError(f"{self.group} has {found}, not {count} members")

    # What scenes begin with; the answers to it are compared as well.

    def preparing(self, first, *others):
        """The first has its assignment and does not know yet that the others wait for it to join again."""
        first.join()
        first.sync(first)
        for i, other in enumerate(others):
            other.join(wait=False)
            self.until_members(i + 2)

    def completing(self, first, *others):
        """All are in one generation and wait for the assignment of the first."""
        if not others:
            first.join()
            return
        self.preparing(first, *others)
        first.join()
        for other in others:
            other.answer()

    def assigned(self, first, *others):
        self.completing(first, *others)
        first.sync(first, *others)
        for other in others:
            other.sync()


class Scene:
    """For the table of cases, in the place of a request's values."""

    def __init__(self, play):
        self.play, self.name = play, play.__name__.replace("_", "-")

    def answers(self, side, version):
        stage = Stage(side, self.name, version)
        try:
            self.play(stage)
            return {"scene": [{"what": what, "answer": stage.named(answer)} for what, answer in stage.answers]}
        finally:
            for member in stage.members:
                member.close()


# ---- while the group prepares ----

def preparing_heartbeats(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.preparing(a, b)
    a.beat()
    a.sync(a, b)
    a.commit()
    stage.state()
    a.join()
    b.answer()


def preparing_leader_leaves(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.preparing(a, b)
    a.leave()
    b.answer()
    b.sync(b)
    stage.state()


def preparing_waiting_member_leaves(stage):
    """Another connection says that the one that waits leaves."""
    a, b, c = stage.member("a"), stage.member("b"), stage.member("c")
    stage.preparing(a, b)
    member = next(one["memberId"] for one in stage.watcher.ask(
        "DescribeGroups", {"groups": [stage.group]}, note=False)["groups"][0]["members"] if one["memberId"] != a.id)
    stage.ids[member] = "b"
    c.id = member
    c.leave()
    b.answer()
    a.beat()
    a.join()
    stage.state()


def preparing_waiting_member_asks(stage):
    """Another connection heartbeats, syncs and commits for the one that waits."""
    a, b, c = stage.member("a"), stage.member("b"), stage.member("c")
    stage.preparing(a, b)
    c.id = next(one["memberId"] for one in stage.watcher.ask(
        "DescribeGroups", {"groups": [stage.group]}, note=False)["groups"][0]["members"] if one["memberId"] != a.id)
    stage.ids[c.id] = "b"
    for c.generation in (-1, 0, 1, 2):
        c.beat()
        c.sync()
        c.commit()
    a.join()
    b.answer()


def preparing_others_protocols(stage):
    """Who waits brings protocols along that the others have not."""
    a, b, c = (stage.member(name) for name in "abc")
    a.protocols = BOTH
    stage.preparing(a, b)
    c.join(OTHER)
    c.join(ROBIN)
    a.join()
    b.answer()


def preparing_rejoins_with_other_protocols(stage):
    a, b = stage.member("a", protocols=BOTH), stage.member("b", protocols=BOTH)
    stage.preparing(a, b)
    a.join(ROBIN)
    b.answer()
    a.sync(a, b, name="roundrobin")
    b.sync(name="roundrobin")


def preparing_rejoins_with_foreign_protocols(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.preparing(a, b)
    a.join(OTHER)
    a.join(RANGE)
    b.answer()


def preparing_is_not_deleted(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.preparing(a, b)
    stage.watcher.ask("DeleteGroups", {"groupsNames": [stage.group]})
    stage.watcher.ask("OffsetDelete", {"groupId": stage.group, "topics": [
        {"name": TOPIC, "partitions": [{"partitionIndex": 0}]}]})
    a.join()
    b.answer()


def preparing_commit_of_nobody(stage):
    a, b, c = (stage.member(name) for name in "abc")
    stage.preparing(a, b)
    c.commit()
    a.join()
    b.answer()


# ---- while the group completes ----

def completing_heartbeats(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.completing(a, b)
    a.beat()
    b.beat()
    a.commit()
    b.commit()
    stage.state()
    a.sync(a, b)
    b.sync()
    stage.state()


def completing_old_generation(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.completing(a, b)
    a.generation -= 1
    a.beat()
    a.sync(a, b)
    a.commit()


def completing_follower_before_leader(stage):
    a, b, c = (stage.member(name) for name in "abc")
    stage.completing(a, b, c)
    b.sync(wait=False)
    c.sync(wait=False)
    a.sync(a, b, c)
    b.answer()
    c.answer()


def completing_leader_forgets_one(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.completing(a, b)
    b.sync(wait=False)
    a.sync(a)
    b.answer()
    b.sync()
    stage.state()


def completing_follower_sends_assignments(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.completing(a, b)
    b.sync(a, b, wait=False)
    a.sync(b, a)
    b.answer()


def completing_leader_for_strangers(stage):
    """An assignment for who is not in the group, and one twice."""
    a, b, c = (stage.member(name) for name in "abc")
    stage.completing(a, b)
    c.id = "stranger"
    a.sync(a, b, c, b)
    b.sync()


def completing_leader_leaves(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.completing(a, b)
    b.sync(wait=False)
    a.leave()
    b.answer()
    b.join()
    b.sync(b)
    stage.state()


def completing_follower_leaves(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.completing(a, b)
    b.leave()
    a.sync(a)
    a.beat()
    a.join()
    a.sync(a)


def completing_leader_joins_again(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.completing(a, b)
    a.join()
    b.join()
    a.sync(a, b)
    b.sync()


def completing_leader_joins_with_others(stage):
    a, b = stage.member("a", protocols=BOTH), stage.member("b", protocols=BOTH)
    stage.completing(a, b)
    b.sync(wait=False)
    a.join(ROBIN, wait=False)
    b.answer()
    b.beat()
    b.join()
    a.answer()
    stage.state()


def completing_follower_joins_with_others(stage):
    a, b = stage.member("a", protocols=BOTH), stage.member("b", protocols=BOTH)
    stage.completing(a, b)
    b.join(ROBIN, wait=False)
    stage.until("PreparingRebalance")
    a.sync(a, b)
    a.beat()
    a.join()
    b.answer()


def completing_newcomer(stage):
    a, b, c = (stage.member(name) for name in "abc")
    stage.completing(a, b)
    b.sync(wait=False)
    c.join(wait=False)
    b.answer()
    a.sync(a, b)
    a.join(wait=False)
    stage.until_members(3)
    b.join()
    a.answer()
    c.answer()


def completing_is_not_deleted(stage):
    a = stage.member("a")
    stage.completing(a)
    stage.watcher.ask("DeleteGroups", {"groupsNames": [stage.group]})
    stage.watcher.ask("OffsetDelete", {"groupId": stage.group, "topics": [
        {"name": TOPIC, "partitions": [{"partitionIndex": 0}]}]})
    a.sync(a)


# ---- once it is stable ----

def stable_follower_joins_again(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.assigned(a, b)
    b.join()
    b.beat()
    b.sync()
    a.beat()


def stable_follower_joins_with_others(stage):
    a, b = stage.member("a", protocols=BOTH), stage.member("b", protocols=BOTH)
    stage.assigned(a, b)
    b.join(ROBIN, wait=False)
    stage.until("PreparingRebalance")
    a.beat()
    a.commit()
    a.join()
    b.answer()


def stable_follower_joins_with_foreign(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.assigned(a, b)
    b.join(OTHER)
    a.beat()
    stage.state()


def stable_leader_joins_again(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.assigned(a, b)
    a.join(wait=False)
    stage.until("PreparingRebalance")
    b.beat()
    b.join()
    a.answer()


def stable_leader_leaves(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.assigned(a, b)
    a.leave()
    stage.state()
    b.beat()
    b.join()
    b.sync(b)


def stable_all_leave(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.assigned(a, b)
    b.leave()
    a.leave()
    stage.state()
    a.beat()
    a.sync(a)
    a.join()
    a.commit()


def stable_syncs_again(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.assigned(a, b)
    a.sync(b, a)
    b.sync(a, b)


def stable_newcomer_of_another_kind(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.assigned(a)
    b.join(protocolType="connect")
    b.join(OTHER)
    a.beat()
    stage.state()


def stable_common_protocol(stage):
    """The protocol is the one that all have and most prefer."""
    a, b, c = stage.member("a", protocols=BOTH), stage.member("b", protocols=ROBIN), stage.member("c", protocols=BOTH)
    stage.completing(a, b, c)
    a.sync(a, b, c, name="roundrobin")
    b.sync(name="roundrobin")
    stage.state()


def stable_pending_member(stage):
    """An id that was handed out counts as nobody's until it joins."""
    a, b = stage.member("a"), stage.member("b")
    stage.assigned(a)
    if stage.version < 4:  # which hand out none: it waits for the other to join
        b.patience = sides.SILENCE_SECONDS
    b.ask("JoinGroup", join(stage.group))
    stage.state()
    b.beat()
    b.sync()
    b.commit()
    a.beat()
    b.leave()


def stable_is_full(stage):
    """One more than group.max.size; who is in may still join again."""
    members = [stage.member(name) for name in "abcd"]
    stage.assigned(*members)
    stage.member("e").join()
    members[0].beat()
    members[1].join()
    members[3].leave()
    stage.state()


# ---- a member of the newer protocol that may not come in ----

def newer(stage, **more):
    return stage.watcher.ask("ConsumerGroupHeartbeat", {
        "groupId": stage.group, "memberId": "newer", "memberEpoch": 0, "rebalanceTimeoutMs": 60000,
        "subscribedTopicNames": [TOPIC], "topicPartitions": [], **more})


def newer_refused_by_a_full_group(stage):
    members = [stage.member(name) for name in "abcd"]
    stage.assigned(*members)
    newer(stage)
    for member in members:
        member.beat()
    members[0].commit()
    members[1].sync()
    stage.state()


def newer_refused_while_members_wait(stage):
    """One waits for the others, who have not come yet."""
    members = a, b, c, d = [stage.member(name) for name in "abcd"]
    stage.assigned(*members)
    a.join(wait=False)
    stage.until("PreparingRebalance")
    newer(stage)
    stage.state()
    a.answer()
    a.join(wait=False)
    for member in (b, c, d):
        member.beat()
        member.join(wait=False)
    for member in members:
        member.answer()


def newer_refused_by_its_assignor(stage):
    a, b = stage.member("a"), stage.member("b")
    stage.assigned(a)
    b.join(wait=False)
    stage.until("PreparingRebalance")
    newer(stage, serverAssignor="nobody")
    a.join()
    b.answer()


# ---- static members ----

def static_pair(stage):
    return stage.member("a", "one"), stage.member("b", "two")


def comes_back(stage, name, instance, protocols=None, wait=True):
    """The same instance on another connection, without its id."""
    again = stage.member(name, instance)
    again.join(protocols, wait=wait)
    return again


def fenced(member):
    member.beat()
    member.sync()
    member.commit()
    member.join()
    return member.ask("LeaveGroup", leave(member.stage.group, [(member.id, member.instance)]))


def static_follower_replaced_stable(stage):
    a, b = static_pair(stage)
    stage.assigned(a, b)
    new = comes_back(stage, "new b", "two")
    fenced(b)
    new.sync()
    new.beat()
    a.beat()
    stage.state()


def static_leader_replaced_stable(stage):
    a, b = static_pair(stage)
    stage.assigned(a, b)
    new = comes_back(stage, "new a", "one")
    fenced(a)
    new.sync(new, b)
    b.beat()
    stage.state()


def static_replaced_stable_with_others(stage):
    a, b = static_pair(stage)
    a.protocols = b.protocols = BOTH
    stage.assigned(a, b)
    new = comes_back(stage, "new b", "two", ROBIN, wait=False)
    stage.until("PreparingRebalance")
    fenced(b)
    a.beat()
    a.join()
    new.answer()


def static_replaced_preparing(stage):
    """The one that waits is answered that another has its place."""
    a, b = static_pair(stage)
    stage.preparing(a, b)
    new = comes_back(stage, "new b", "two", wait=False)
    b.answer()
    a.join()
    new.answer()
    stage.state()


def static_leader_replaced_preparing(stage):
    a, b = static_pair(stage)
    stage.preparing(a, b)
    new = comes_back(stage, "new a", "one")
    b.answer()
    fenced(a)
    new.beat()


def static_follower_replaced_completing(stage):
    a, b = static_pair(stage)
    stage.completing(a, b)
    b.sync(wait=False)
    new = comes_back(stage, "new b", "two", wait=False)
    b.answer()
    a.beat()
    a.join()
    new.answer()
    fenced(b)


def static_leader_replaced_completing(stage):
    a, b = static_pair(stage)
    stage.completing(a, b)
    b.sync(wait=False)
    new = comes_back(stage, "new a", "one", wait=False)
    b.answer()
    b.join()
    new.answer()
    fenced(a)


def static_leaves_by_instance(stage):
    a, b = static_pair(stage)
    stage.assigned(a, b)
    stage.watcher.ask("LeaveGroup", leave(stage.group, [("", "two"), ("", "two"), ("stranger", "one")]))
    a.beat()
    b.beat()
    a.join()


def static_with_anothers_id(stage):
    a, b = static_pair(stage)
    stage.assigned(a, b)
    a.instance, kept = "two", a.instance
    a.beat()
    a.sync(a, b)
    a.commit()
    a.join()
    a.instance = kept
    a.beat()


def static_becomes_dynamic(stage):
    a, b = static_pair(stage)
    stage.assigned(a, b)
    b.instance = None
    b.beat()
    b.sync()
    b.commit()
    b.join()
    stage.state()


DYNAMIC = (
    preparing_heartbeats, preparing_leader_leaves, preparing_waiting_member_leaves, preparing_waiting_member_asks,
    preparing_others_protocols, preparing_rejoins_with_other_protocols, preparing_rejoins_with_foreign_protocols,
    preparing_is_not_deleted, preparing_commit_of_nobody,
    completing_heartbeats, completing_old_generation, completing_follower_before_leader,
    completing_leader_forgets_one, completing_follower_sends_assignments, completing_leader_for_strangers,
    completing_leader_leaves, completing_follower_leaves, completing_leader_joins_again,
    completing_leader_joins_with_others, completing_follower_joins_with_others, completing_newcomer,
    completing_is_not_deleted,
    stable_follower_joins_again, stable_follower_joins_with_others, stable_follower_joins_with_foreign,
    stable_leader_joins_again, stable_leader_leaves, stable_all_leave, stable_syncs_again,
    stable_newcomer_of_another_kind, stable_common_protocol, stable_pending_member,
    stable_is_full,
    newer_refused_by_a_full_group, newer_refused_while_members_wait, newer_refused_by_its_assignor)
STATIC = (
    static_follower_replaced_stable, static_leader_replaced_stable, static_replaced_stable_with_others,
    static_replaced_preparing, static_leader_replaced_preparing, static_follower_replaced_completing,
    static_leader_replaced_completing, static_leaves_by_instance, static_with_anothers_id, static_becomes_dynamic)


def steps(apis):
    yield "fixture", "CreateTopics", {"topics": [topic(TOPIC, 3)]}, [7]
    yield "fixture", "FindCoordinator", lambda side, version: find(side), [4]
    for scenes, versions in ((DYNAMIC, None), (STATIC, range(5, 99))):
        for play in scenes:
            yield play.__name__.replace("_", " "), "JoinGroup", Scene(play), versions

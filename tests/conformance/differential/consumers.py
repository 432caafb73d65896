"""Groups of the consumer protocol (KIP-848), and what the older APIs say of them. What a case stands on is
made by the case itself, on each side, in a group of its own; ids of members are the client's."""
import time

from groups import assigned, ask, commit, find, join, left
from topics import topic

TOPIC, SINGLE = "shared", "single"
NOBODY = "nobody"


def beat(group, member="one", epoch=0, names=(TOPIC,), owned=(), **more):
    """Everything, as a client sends it at first and after an error."""
    def values(side, version):
        out = {"groupId": group, "memberId": member, "memberEpoch": epoch, "rebalanceTimeoutMs": 60000,
               "subscribedTopicNames": None if names is None else list(names),
               "topicPartitions": None if owned is None else [
                   {"topicId": f"$id:{name}", "partitions": list(numbers)} for name, numbers in owned],
               **more}
        if version < 1:
            out.pop("subscribedTopicRegex", None)
        return out
    return values


def partial(group, member="one", epoch=1, owned=None, **more):
    return beat(group, member, epoch, None, owned, **{"rebalanceTimeoutMs": -1, **more})


def told(side, values):
    """A heartbeat on the way to a case: its answer."""
    answer = side.ask("ConsumerGroupHeartbeat", 1, values(side, 1))
    if answer["errorCode"] != 0:
        raise ValueError(f"heartbeat: {answer}")
    return answer


def member(side, group, **more):
    """A group with one member: the epoch of that."""
    return told(side, beat(group, **more))["memberEpoch"]


def static(side, group):
    return member(side, group, instanceId="i")


def away(side, group):
    epoch = static(side, group)
    told(side, partial(group, epoch=-2, instanceId="i"))
    return epoch


def gone(side, group):
    epoch = member(side, group)
    told(side, partial(group, epoch=-1))
    return epoch


def two(side, group):
    """The first has the only partition, and is not to give it up."""
    member(side, group, names=(SINGLE,))
    told(side, beat(group, "two", names=(SINGLE,)))
    return told(side, partial(group, epoch=2, owned=[(SINGLE, [0])]))["memberEpoch"]


def resolved(side, group):
    """A member with an expression, once it is resolved."""
    epoch = told(side, beat(group, names=None, subscribedTopicRegex="shar.*"))["memberEpoch"]
    deadline = time.monotonic() + 120
    while epoch < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        epoch = told(side, partial(group, epoch=epoch, owned=[]))["memberEpoch"]
    return epoch


def classic(side, group):
    return assigned(side, group)


def classic_left(side, group):
    return left(side, group)


def classic_of_another_protocol(side, group):
    return assigned(side, group, protocolType="connect", protocols=[{"name": "range", "metadata": b""}])


def mixed(side, group, instance=None):
    """A member of each kind: what the classic one knows."""
    member(side, group)
    name = ask(side, "JoinGroup", join(group, "", instance)(side, 9))["memberId"]
    answer = ask(side, "JoinGroup", join(group, name, instance)(side, 9))
    if answer["errorCode"] != 0:
        raise ValueError(f"join: {answer}")
    return answer["memberId"], answer["generationId"]


def after(prepare, make, label):
    """A request made from what prepare gives, in a group of this case and version."""
    def values(side, version):
        group = f"{label}-{version}".replace(" ", "-").replace(",", "")
        return make(group, prepare(side, group))(side, version)
    return values


def heartbeats():
    yield "empty group", beat(""), None
    yield "empty member", beat("empty-member", ""), range(1, 99)
    yield "empty member, epoch 1", partial("empty-member", ""), None
    yield "empty member, leaving", partial("empty-member", "", -1), None
    yield "empty instance", beat("empty-instance", instanceId=""), None
    yield "empty rack", beat("empty-rack", rackId=""), None
    yield "no time to rebalance", beat("timeless", rebalanceTimeoutMs=-1), None
    yield "owns something at first", beat("owner", owned=[(TOPIC, [0])]), None
    yield "owns null at first", beat("owner", owned=None), None
    yield "no subscription", beat("none", names=None), None
    yield "epoch -2 without instance", partial("unknown", epoch=-2), None
    yield "epoch -3", partial("unknown", epoch=-3), None
    yield "unknown assignor", beat("assignor", serverAssignor="best"), None
    yield "empty assignor", beat("assignor", serverAssignor=""), None
    yield "unknown group", partial("unknown"), None
    yield "unknown group, leaving", partial("unknown", epoch=-1), None
    yield "unknown group, leaving for a while", partial("unknown", epoch=-2, instanceId="i"), None
    yield "joins", beat("joins-$v"), None
    yield "joins again", after(member, lambda group, _: beat(group), "joins again"), None
    yield "joins for nothing", beat("nothing-$v", names=()), None
    yield "joins for what is not there", beat("absent-$v", names=("no-such-topic",)), None
    yield "joins for some twice", beat("twice-$v", names=(TOPIC, SINGLE, TOPIC)), None
    yield "joins with an assignor", beat("range-$v", serverAssignor="range"), None
    yield "joins with an instance", beat("instance-$v", instanceId="i", rackId="r"), None
    yield "bad expression", beat("bad-$v", names=None, subscribedTopicRegex="("), range(1, 99)
    yield "empty expression", beat("empty-$v", names=None, subscribedTopicRegex=""), range(1, 99)
    yield "resolved expression", after(resolved, lambda group, epoch: beat(
        group, epoch=epoch, names=None, subscribedTopicRegex="shar.*", owned=[(TOPIC, [0, 1, 2])]), "resolved"), range(1, 99)
    yield "silent", after(member, lambda group, epoch: partial(group, epoch=epoch), "silent"), None
    yield "everything again", after(member, lambda group, epoch: beat(
        group, epoch=epoch, owned=[(TOPIC, [0, 1, 2])]), "everything"), None
    yield "other topics", after(member, lambda group, epoch: beat(
        group, epoch=epoch, names=(SINGLE,), owned=[(TOPIC, [0, 1, 2])]), "other topics"), None
    yield "other topics, given up", after(member, lambda group, epoch: beat(
        group, epoch=epoch, names=(SINGLE,), owned=[]), "given up"), None
    yield "unknown member", after(member, lambda group, epoch: partial(group, NOBODY, epoch), "stranger"), None
    yield "unknown member, leaving", after(member, lambda group, _: partial(group, NOBODY, -1), "stranger leaves"), None
    yield "epoch too new", after(member, lambda group, epoch: partial(group, epoch=epoch + 1), "new epoch"), None
    yield "epoch too old", after(two, lambda group, epoch: partial(group, epoch=1, owned=[]), "old epoch"), None
    yield "epoch before, with what it has", after(two, lambda group, epoch: partial(
        group, epoch=epoch - 1, owned=[(SINGLE, [0])]), "lost answer"), None
    yield "epoch before, silent", after(two, lambda group, epoch: partial(group, epoch=epoch - 1), "lost silent"), None
    yield "epoch before, with more", after(two, lambda group, epoch: partial(
        group, epoch=epoch - 1, owned=[(SINGLE, [0]), (TOPIC, [0])]), "lost more"), None
    yield "second member", after(two, lambda group, epoch: partial(group, "two", epoch, []), "second"), None
    yield "leaves", after(member, lambda group, _: partial(group, epoch=-1), "leaves"), None
    yield "leaves twice", after(gone, lambda group, _: partial(group, epoch=-1), "leaves twice"), None
    yield "leaves for a while", after(static, lambda group, _: partial(group, epoch=-2, instanceId="i"), "for a while"), None
    yield "leaves for good", after(static, lambda group, _: partial(group, epoch=-1, instanceId="i"), "for good"), None
    yield "leaves, another of the instance", after(static, lambda group, _: partial(
        group, "two", -1, instanceId="i"), "other leaves"), None
    yield "instance is here", after(static, lambda group, _: beat(group, "two", instanceId="i"), "unreleased"), None
    yield "instance is away", after(away, lambda group, _: beat(group, "two", instanceId="i"), "released"), None
    yield "instance of another", after(static, lambda group, epoch: partial(
        group, "two", epoch, instanceId="i"), "fenced"), None
    yield "unknown instance", after(static, lambda group, epoch: partial(
        group, "one", epoch, instanceId="j"), "unknown instance"), None
    yield "unknown instance, leaving", after(static, lambda group, _: partial(
        group, "one", -1, instanceId="j"), "unknown leaves"), None
    yield "classic group", after(classic, lambda group, _: beat(group), "classic"), None
    yield "classic group, epoch 1", after(classic, lambda group, _: partial(group), "classic epoch"), None
    yield "classic group, leaving", after(classic, lambda group, _: partial(group, epoch=-1), "classic leaves"), None
    yield "classic group without members", after(classic_left, lambda group, _: beat(group), "classic empty"), None
    yield "classic group of another kind", after(
        classic_of_another_protocol, lambda group, _: beat(group), "classic connect"), None


def describe(*groups, **more):
    return lambda side, version: {"groupIds": list(groups), **more}


def descriptions():
    for prepare in (member, static, away, gone, two, mixed, classic, classic_left):
        yield prepare.__name__, after(prepare, lambda group, _: describe(group), f"describe {prepare.__name__}"), None
    yield "expression", after(resolved, lambda group, _: describe(group), "describe resolved"), None
    yield "unknown", describe("no-such-group"), None
    yield "empty", describe(""), None
    yield "nothing", describe(), None
    yield "several", describe("no-such-group", "classic-1", "joins-1"), None
    yield "operations", after(member, lambda group, _: describe(
        group, "no-such-group", includeAuthorizedOperations=True), "describe operations"), None


def old_heartbeat(group, name, generation):
    return lambda side, version: {"groupId": group, "memberId": name, "generationId": generation}


def old_sync(group, name, generation, **more):
    def values(side, version):
        out = {"groupId": group, "memberId": name, "generationId": generation, "assignments": []}
        if version >= 5:
            out.update({"protocolType": "consumer", "protocolName": "range", **more})
        return out
    return values


def leaving(group, *names):
    return lambda side, version: ({"groupId": group, "members": [{"memberId": name} for name in names]}
                                  if version >= 3 else {"groupId": group, "memberId": names[0]})


def committed(group, name="one", epoch=2, topic_name=TOPIC):
    return lambda side, version: commit(group, [(topic_name, [(0, 7, "")])], member=name, generation=epoch)(side, version)


def older_apis():
    yield "of consumers", "JoinGroup", after(member, lambda group, _: join(group), "join consumers"), None
    yield "of consumers, no protocols", "JoinGroup", after(
        member, lambda group, _: join(group, protocols=[]), "join nothing"), None
    yield "of consumers, another type", "JoinGroup", after(
        member, lambda group, _: join(group, protocolType="connect"), "join connect"), None
    yield "of consumers, malformed", "JoinGroup", after(member, lambda group, _: join(
        group, "id", protocols=[{"name": "range", "metadata": b"\0"}]), "join malformed"), None
    yield "of consumers, with an id", "JoinGroup", after(
        member, lambda group, _: join(group, "some-id"), "join id"), None
    yield "of consumers that are gone", "JoinGroup", after(gone, lambda group, _: join(group), "join gone"), None
    yield "of consumers that are gone, with an id", "JoinGroup", after(
        gone, lambda group, _: join(group, "some-id"), "join gone id"), None
    for label, name, more in (("another type", None, {"protocolType": "connect"}),
                              ("another protocol", None, {"protocols": [{"name": "own", "metadata": b""}]}),
                              ("a stranger", NOBODY, {}), ("unknown instance", None, {"instance": "i"})):
        yield f"of a mixed group, {label}", "JoinGroup", after(
            mixed, lambda group, known, name=name, more=more: join(group, name or known[0], **more),
            f"join mixed {label}"), None
    yield "of a mixed group, another's instance", "JoinGroup", after(
        lambda side, group: mixed(side, group, "i"), lambda group, _: join(group, NOBODY, "i"), "join fenced"), range(5, 99)
    yield "of a mixed group", "SyncGroup", after(mixed, lambda group, known: old_sync(group, *known), "sync mixed"), None
    yield "of a mixed group, other epoch", "SyncGroup", after(
        mixed, lambda group, known: old_sync(group, known[0], 1), "sync epoch"), None
    yield "of a mixed group, other name", "SyncGroup", after(
        mixed, lambda group, known: old_sync(group, *known, protocolName="other"), "sync name"), range(5, 99)
    yield "of a consumer", "SyncGroup", after(member, lambda group, epoch: old_sync(group, "one", epoch), "sync consumer"), None
    yield "of a mixed group", "Heartbeat", after(mixed, lambda group, known: old_heartbeat(group, *known), "beat mixed"), None
    yield "of a mixed group, other epoch", "Heartbeat", after(
        mixed, lambda group, known: old_heartbeat(group, known[0], 1), "beat epoch"), None
    yield "of a consumer", "Heartbeat", after(member, lambda group, epoch: old_heartbeat(group, "one", epoch), "beat consumer"), None
    yield "of a mixed group", "LeaveGroup", after(mixed, lambda group, known: leaving(group, known[0]), "leave mixed"), None
    yield "of a consumer", "LeaveGroup", after(member, lambda group, _: leaving(group, "one"), "leave consumer"), None
    yield "of several", "LeaveGroup", after(mixed, lambda group, known: leaving(
        group, "one", NOBODY, known[0], "one"), "leave several"), range(3, 99)
    yield "of a consumer group", "DescribeGroups", after(
        member, lambda group, _: lambda side, version: {"groups": [group]}, "old describe"), None
    for kind in ("consumer", "Consumer", "classic"):
        yield f"consumers by type {kind}", "ListGroups", {"typesFilter": [kind]}, range(5, 99)
    for state in ("Stable", "Reconciling", "Assigning", "Empty"):
        yield f"consumers by state {state}", "ListGroups", {
            "statesFilter": [state], "typesFilter": ["consumer"]}, range(5, 99)
    for prepare in (member, gone, away):
        yield f"of consumers, {prepare.__name__}", "DeleteGroups", after(
            prepare, lambda group, _: lambda side, version: {"groupsNames": [group]}, f"delete {prepare.__name__}"), None
    for label, more in (("its epoch", {}), ("a newer epoch", {"epoch": 3}), ("an older epoch", {"epoch": 1}),
                        ("no epoch", {"epoch": -1}), ("nobody", {"name": NOBODY}),
                        ("no name", {"name": "", "epoch": -1}), ("another topic", {"topic_name": SINGLE}),
                        ("another topic, older epoch", {"topic_name": SINGLE, "epoch": 1})):
        yield f"of a consumer, {label}", "OffsetCommit", after(
            member, lambda group, _, more=more: committed(group, **more), f"commit {label}"), range(2, 10)
    yield "of consumers that are gone", "OffsetCommit", after(
        gone, lambda group, _: committed(group, "", -1), "commit gone"), range(2, 10)
    for label, name, epoch in (("member", "one", 2), ("epoch", "one", 1), ("nobody", NOBODY, 2), ("admin", None, -1),
                               ("unnamed", None, 2)):
        yield f"of a consumer, {label}", "OffsetFetch", after(
            member, lambda group, _, name=name, epoch=epoch: lambda side, version: {"groups": [
                {"groupId": group, "memberId": name, "memberEpoch": epoch, "topics": [
                    {"name": TOPIC, "partitionIndexes": [0]}]}]},
            f"fetch {label}"), [9]
    for name in (TOPIC, SINGLE):
        yield f"of consumers, {name}", "OffsetDelete", after(
            member, lambda group, _, name=name: lambda side, version: {"groupId": group, "topics": [
                {"name": name, "partitions": [{"partitionIndex": 0}]}]}, f"offset delete {name}"), None


def steps(apis):
    yield "fixture", "CreateTopics", {"topics": [topic(TOPIC, 3), topic(SINGLE, 1)]}, [7]
    yield "fixture", "FindCoordinator", lambda side, version: find(side), [4]
    for label, values, versions in heartbeats():
        yield label, "ConsumerGroupHeartbeat", values, versions
    for label, values, versions in descriptions():
        yield label, "ConsumerGroupDescribe", values, versions
    yield from older_apis()

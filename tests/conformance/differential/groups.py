"""Classic consumer groups and committed offsets. What a case stands on (members, generations, offsets)
is made by the case itself, on each side, in groups of its own; member ids are masked."""
import struct
import time

from topics import UNKNOWN_ID, topic

TOPIC = "grouped"
SESSION_MS, REBALANCE_MS = 600000, 600000  # longer than the run
STRANGER = "stranger-12345678-1234-4123-8123-123456789abc"
UP_TO_DATE = {"JoinGroup": 9, "SyncGroup": 5, "Heartbeat": 4, "LeaveGroup": 5, "OffsetCommit": 9,
              "OffsetFetch": 9, "FindCoordinator": 4, "ListGroups": 5}


def subscription(*names):
    return struct.pack(">hi", 0, len(names)) + b"".join(
        struct.pack(">h", len(name)) + name.encode() for name in names) + struct.pack(">i", -1)


def assignment(name, *partitions):
    return struct.pack(">hih", 0, 1, len(name)) + name.encode() + \
        struct.pack(f">i{len(partitions)}i", len(partitions), *partitions) + struct.pack(">i", -1)


RANGE = [{"name": "range", "metadata": subscription(TOPIC)}]
BOTH = RANGE + [{"name": "roundrobin", "metadata": subscription(TOPIC)}]


def ask(side, api, values):
    """Asks on the way to a case."""
    return side.ask(api, UP_TO_DATE[api], values)


def find(side, version=None):
    """The coordinator, once it is there and loaded."""
    for _ in range(1000):
        found = ask(side, "FindCoordinator", {"coordinatorKeys": ["g"]})["coordinators"][0]
        if found["errorCode"] == 0 and ask(side, "OffsetFetch", {"groups": [
                {"groupId": "g", "topics": None}]})["groups"][0]["errorCode"] == 0:
            return {"coordinatorKeys": ["g"]}
        time.sleep(0.1)
    raise AssertionError(f"no coordinator of groups: {found}")


def join(group, member="", instance=None, protocols=None, **more):
    def values(side, version):
        out = {"groupId": group, "sessionTimeoutMs": SESSION_MS, "rebalanceTimeoutMs": REBALANCE_MS,
               "memberId": member, "groupInstanceId": instance, "protocolType": "consumer",
               "protocols": RANGE if protocols is None else protocols, **more}
        if version < 1:
            del out["rebalanceTimeoutMs"]
        if version < 5:
            del out["groupInstanceId"]
        return out
    return values


def joined(side, group, instance=None, protocols=None, **more):
    """A member that waits for its assignment: its id, and the generation."""
    first = ask(side, "JoinGroup", join(group, "", instance, protocols, **more)(side, 9))
    if first["errorCode"] == 79:
        first = ask(side, "JoinGroup",
                    join(group, first["memberId"], instance, protocols, **more)(side, 9))
    if first["errorCode"] != 0:
        raise ValueError(f"join {group}: {first}")
    return first["memberId"], first["generationId"]


def assigned(side, group, instance=None, protocols=None, **more):
    """The same, with an assignment."""
    member, generation = joined(side, group, instance, protocols, **more)
    done = ask(side, "SyncGroup", {
        "groupId": group, "generationId": generation, "memberId": member, "groupInstanceId": instance,
        "protocolType": more.get("protocolType", "consumer"), "protocolName": (protocols or RANGE)[0]["name"],
        "assignments": [{"memberId": member, "assignment": assignment(TOPIC, 0, 1)}]})
    if done["errorCode"] != 0:
        raise ValueError(f"sync {group}: {done}")
    return member, generation


def left(side, group, **more):
    """A group that had a member: its id."""
    member, _ = assigned(side, group, **more)
    ask(side, "LeaveGroup", {"groupId": group, "members": [{"memberId": member}]})
    return member


def pending(side, group):
    """An id that was handed out."""
    return ask(side, "JoinGroup", join(group)(side, 9))["memberId"]


def again(prepare, instance=None, protocols=None, fixed=None):
    """Joins with the id that prepare made."""
    def values(side, version):
        group = f"again-{prepare.__name__}-{instance}-{fixed}-{len(protocols or [])}-{version}"
        made = prepare(side, group, **({"instance": instance} if instance else {}))
        member = made if isinstance(made, str) else made[0]
        return join(group, member if fixed is None else fixed, instance, protocols)(side, version)
    return values


def replaced(side, version):
    """A static member comes back without its id."""
    assigned(side, f"replaced-{version}", "one")
    return join(f"replaced-{version}", "", "one")(side, version)


def replaced_otherwise(side, version):
    joined(side, f"otherwise-{version}", "one")
    return join(f"otherwise-{version}", "", "one", BOTH)(side, version)


JOINS = {
    "no member id": join("join-$v"),
    "unknown member id": join("join-unknown-$v", STRANGER),
    "unknown member id, group is there": again(left, fixed=STRANGER),
    "empty group id": join(""),
    "short session": join("join-short-$v", sessionTimeoutMs=5999),
    "long session": join("join-long-$v", sessionTimeoutMs=1800001),
    "negative session": join("join-negative-$v", sessionTimeoutMs=-1),
    "no protocols": join("join-none-$v", protocols=[]),
    "no protocol type": join("join-typeless-$v", protocolType=""),
    "another protocol type": lambda side, version: (
        assigned(side, f"type-{version}"), join(f"type-{version}", protocolType="connect")(side, version))[1],
    "another protocol": lambda side, version: (
        assigned(side, f"protocol-{version}"), join(f"protocol-{version}", protocols=[
            {"name": "other", "metadata": b""}])(side, version))[1],
    "handed-out id": again(pending),
    "leader again, completing": again(joined),
    "leader again, stable": again(assigned),
    "other protocols, stable": again(assigned, protocols=BOTH),
    "other protocols, completing": again(joined, protocols=BOTH),
    "id of a member that left": again(left),
}
STATIC_JOINS = {
    "static": join("join-static-$v", "", "one"),
    "static, unknown id": join("join-static-unknown-$v", STRANGER, "one"),
    "static, fenced": again(assigned, "one", fixed=STRANGER),
    "static, again": again(assigned, "one"),
    "static, again, completing": again(joined, "one"),
    "static, replaced": replaced,
    "static, replaced while completing": replaced_otherwise,
    "static, unknown instance": lambda side, version: (
        lambda member: join(f"instance-{version}", member, "other")(side, version))(
            assigned(side, f"instance-{version}", "one")[0]),
    "empty instance": join("join-empty-instance-$v", "", ""),
    "instance with spaces": join("join-spaces-$v", "", "a b"),
}


def with_member(prepare, make, name):
    """A request about the member that prepare made: make(group, member, generation, version)."""
    def values(side, version):
        group = f"{name}-{version}"
        made = prepare(side, group)
        member, generation = (made, 0) if isinstance(made, str) else made
        return make(group, member, generation, version)
    return values


def static(prepare):
    return lambda side, group: prepare(side, group, "one")


def sync(group, member, generation, version, instance=None, kind="consumer", name="range", assignments=None):
    out = {"groupId": group, "generationId": generation, "memberId": member, "groupInstanceId": instance,
           "protocolType": kind, "protocolName": name, "assignments": [
               {"memberId": member, "assignment": assignment(TOPIC, 1)}]
           if assignments is None else assignments}
    if version < 3:
        del out["groupInstanceId"]
    if version < 5:
        del out["protocolType"], out["protocolName"]
    return out


def heartbeat(group, member, generation, version, instance=None):
    out = {"groupId": group, "generationId": generation, "memberId": member, "groupInstanceId": instance}
    if version < 3:
        del out["groupInstanceId"]
    return out


def member_cases(make, name):
    """What SyncGroup and Heartbeat have in common."""
    def case(label, prepare, change=lambda group, member, generation: (group, member, generation), **more):
        return label, with_member(prepare, lambda group, member, generation, version: make(
            *change(group, member, generation), version, **more), f"{name}-{label.replace(' ', '-')}")
    yield (*case("completing", joined), None)
    yield (*case("stable", assigned), None)
    yield (*case("wrong generation", assigned, lambda g, m, n: (g, m, n + 1)), None)
    yield (*case("old generation", assigned, lambda g, m, n: (g, m, n - 1)), None)
    yield (*case("negative generation", assigned, lambda g, m, n: (g, m, -1)), None)
    yield (*case("unknown member", assigned, lambda g, m, n: (g, STRANGER, n)), None)
    yield (*case("no member", assigned, lambda g, m, n: (g, "", n)), None)
    yield (*case("unknown group", assigned, lambda g, m, n: ("no-such-group", m, n)), None)
    yield (*case("empty group id", assigned, lambda g, m, n: ("", m, n)), None)
    yield (*case("left", left), None)
    yield (*case("handed-out id", pending), None)
    yield (*case("static", static(assigned), instance="one"), range(3, 99))
    yield (*case("static without its instance", static(assigned)), range(3, 99))
    yield (*case("fenced", static(assigned), lambda g, m, n: (g, STRANGER, n), instance="one"), range(3, 99))
    yield (*case("unknown instance", assigned, instance="other"), range(3, 99))


def leave(group, members):
    """members: (id, instance)"""
    def values(side, version):
        if version < 3:
            return {"groupId": group, "memberId": members[0][0]}
        out = [{"memberId": id_, "groupInstanceId": instance, "reason": "to see"} for id_, instance in members]
        for item in out if version < 5 else []:
            del item["reason"]
        return {"groupId": group, "members": out}
    return values


def leave_case(prepare, name, members):
    """members: from the id that prepare made."""
    return with_member(prepare, lambda group, member, generation, version: leave(
        group, members(member))(None, version), f"leave-{name}")


LEAVES = (
    ("stable", leave_case(assigned, "stable", lambda m: [(m, None)]), None),
    ("completing", leave_case(joined, "completing", lambda m: [(m, None)]), None),
    ("unknown member", leave_case(assigned, "unknown", lambda m: [(STRANGER, None)]), None),
    ("handed-out id", leave_case(pending, "pending", lambda m: [(m, None)]), None),
    ("twice", leave_case(left, "twice", lambda m: [(m, None)]), None),
    ("unknown group", leave("no-such-group", [(STRANGER, None)]), None),
    ("empty group id", leave("", [(STRANGER, None)]), None),
    ("no id", leave_case(assigned, "noid", lambda m: [("", None)]), None),
    ("several", leave_case(assigned, "several", lambda m: [(STRANGER, None), (m, None), (m, None)]), range(3, 99)),
    ("nobody", leave_case(assigned, "nobody", lambda m: []), range(3, 99)),
    ("by instance", leave_case(static(assigned), "instance", lambda m: [("", "one")]), range(3, 99)),
    ("by unknown instance", leave_case(static(assigned), "noinstance", lambda m: [("", "two")]), range(3, 99)),
    ("fenced", leave_case(static(assigned), "fenced", lambda m: [(STRANGER, "one")]), range(3, 99)),
    ("unknown group, several", leave("no-such-group", [(STRANGER, None), ("", "one")]), range(3, 99)),
)


def commit(group, topics, member="", generation=-1, instance=None, **more):
    """topics: (name, [(partition, offset, metadata)])"""
    def values(side, version):
        asked = []
        for name, partitions in topics:
            item = {"partitions": [{"partitionIndex": index, "committedOffset": offset,
                                    "committedMetadata": metadata, "committedLeaderEpoch": -1}
                                   for index, offset, metadata in partitions]}
            for partition in item["partitions"] if version < 6 else []:
                del partition["committedLeaderEpoch"]
            item.update({"name": name} if version < 10 else
                        {"topicId": f"$id:{name}" if name == TOPIC else UNKNOWN_ID})
            asked.append(item)
        out = {"groupId": group, "generationIdOrMemberEpoch": generation, "memberId": member,
               "groupInstanceId": instance, "topics": asked, **more}
        if version < 7:
            del out["groupInstanceId"]
        return out
    return values


ONE = [(TOPIC, [(0, 7, "note")])]


def commit_by(prepare, name, change=lambda m, n: (m, n), **more):
    return with_member(prepare, lambda group, member, generation, version: commit(
        group, ONE, *change(member, generation), **more)(None, version), f"commit-{name}")


COMMITS = (
    ("simple", commit("commit-$v", ONE), None),
    ("null metadata", commit("commit-null-$v", [(TOPIC, [(0, 1, None)])]), None),
    ("longest metadata", commit("commit-long-$v", [(TOPIC, [(0, 1, "m" * 4096)])]), None),
    ("too long metadata", commit("commit-long-$v", [(TOPIC, [(0, 1, "m" * 4097), (1, 2, "")])]), None),
    ("long in bytes", commit("commit-wide-$v", [(TOPIC, [(0, 1, "\u20ac" * 4096)])]), None),
    ("negative offset", commit("commit-negative-$v", [(TOPIC, [(0, -1, "")])]), None),
    ("unknown topic", commit("commit-$v", [("nowhere", [(0, 1, "")])]), None),
    ("unknown partition", commit("commit-$v", [(TOPIC, [(9, 1, "")])]), None),
    ("negative partition", commit("commit-$v", [(TOPIC, [(-1, 1, "")])]), None),
    ("known and unknown", commit("commit-$v", [("nowhere", [(0, 1, "")]), (TOPIC, [(0, 3, ""), (9, 3, "")])]), None),
    ("nothing", commit("commit-$v", []), None),
    ("no partitions", commit("commit-$v", [(TOPIC, [])]), None),
    ("topic twice", commit("commit-$v", [(TOPIC, [(0, 4, "")]), (TOPIC, [(1, 5, "")])]), None),
    ("partition twice", commit("commit-$v", [(TOPIC, [(0, 4, ""), (0, 6, "")])]), None),
    ("empty group id", commit("", ONE), None),
    ("unknown group with a generation", commit("no-such-group", ONE, STRANGER, 1), None),
    ("unknown group with a member", commit("commit-stranger-$v", ONE, STRANGER, -1), None),
    ("by a member", commit_by(assigned, "member"), None),
    ("by a member that syncs", commit_by(joined, "syncing"), None),
    ("wrong generation", commit_by(assigned, "generation", lambda m, n: (m, n + 1)), None),
    ("no generation", commit_by(assigned, "nogeneration", lambda m, n: (m, -1)), None),
    ("unknown member", commit_by(assigned, "unknown", lambda m, n: (STRANGER, n)), None),
    ("nobody, group has members", commit_by(assigned, "nobody", lambda m, n: ("", -1)), None),
    ("nobody, group is empty", commit_by(left, "empty", lambda m, n: ("", -1)), None),
    ("old member, group is empty", commit_by(left, "old", lambda m, n: (m, 1)), None),
    ("static", commit_by(static(assigned), "static", instance="one"), range(7, 99)),
    ("fenced", commit_by(static(assigned), "fenced", lambda m, n: (STRANGER, n), instance="one"), range(7, 99)),
    ("retention", commit("commit-retention-$v", ONE, retentionTimeMs=60000), range(2, 5)),
)


def fetch(*groups, **more):
    """groups: (id, topics or None), topics: (name, partitions)"""
    def values(side, version):
        def topics_of(topics):
            if topics is None:
                return None
            return [{"partitionIndexes": list(partitions), **(
                {"name": name} if version < 10 else
                {"topicId": f"$id:{name}" if name == TOPIC else UNKNOWN_ID})} for name, partitions in topics]
        out = {"requireStable": True, **more}
        if version < 7:
            del out["requireStable"]
        if version < 8:
            return {"groupId": groups[0][0], "topics": topics_of(groups[0][1]), **out}
        return {"groups": [{"groupId": group, "topics": topics_of(topics),
                            **({"memberId": item[0][0], "memberEpoch": item[0][1]} if item else {})}
                           for group, topics, *item in groups], **out}
    return values


def committed(make):
    def values(side, version):
        ask(side, "OffsetCommit", commit(f"fetch-{version}", [(TOPIC, [(0, 11, "a"), (2, 12, "")])])(side, 9))
        return make(side, version)
    return values


FETCHES = (
    ("committed", committed(fetch(("fetch-$v", [(TOPIC, [0, 1, 2])]))), None),
    ("not stable", committed(fetch(("fetch-$v", [(TOPIC, [0])]), requireStable=False)), range(7, 99)),
    ("all", committed(fetch(("fetch-$v", None))), range(2, 99)),
    ("no topics", committed(fetch(("fetch-$v", []))), None),
    ("unknown topic", committed(fetch(("fetch-$v", [("nowhere", [0]), (TOPIC, [0])]))), None),
    ("unknown partition", committed(fetch(("fetch-$v", [(TOPIC, [9, -1])]))), None),
    ("no partitions", committed(fetch(("fetch-$v", [(TOPIC, [])]))), None),
    ("topic twice", committed(fetch(("fetch-$v", [(TOPIC, [0]), (TOPIC, [2])]))), None),
    ("unknown group", fetch(("no-such-group", [(TOPIC, [0])])), None),
    ("unknown group, all", fetch(("no-such-group", None)), range(2, 99)),
    ("empty group id", fetch(("", [(TOPIC, [0])])), None),
    ("several groups", committed(fetch(("fetch-$v", None), ("no-such-group", None), ("fetch-$v", [(TOPIC, [2])]))), range(8, 99)),
    ("no groups", fetch(), range(8, 99)),
    ("a member", committed(fetch(("fetch-$v", None, (STRANGER, 3)))), range(9, 99)),
    ("a member, unknown group", fetch(("no-such-group", None, (STRANGER, 3))), range(9, 99)),
)


def delete_offsets(group, topics):
    return {"groupId": group, "topics": [{"name": name, "partitions": [
        {"partitionIndex": index} for index in partitions]} for name, partitions in topics]}


def with_offsets(prepare, group, topics, **more):
    def values(side, version):
        if prepare is not None:
            prepare(side, group, **more)
            ask(side, "OffsetCommit", commit(group, ONE)(side, 9))
        else:
            ask(side, "OffsetCommit", commit(group, ONE)(side, 9))
        return delete_offsets(group, topics)
    return values


def of_another_protocol(side, group):
    return assigned(side, group, protocols=[{"name": "sessioned", "metadata": b""}], protocolType="connect")


DELETIONS = {
    "simple": with_offsets(None, "delete-simple", [(TOPIC, [0, 1])]),
    "empty": with_offsets(left, "delete-empty", [(TOPIC, [0])]),
    "subscribed": with_offsets(assigned, "delete-subscribed", [(TOPIC, [0])]),
    "another protocol": with_offsets(of_another_protocol, "delete-connect", [(TOPIC, [0])]),
    "unknown group": delete_offsets("no-such-group", [(TOPIC, [0])]),
    "unknown topic": with_offsets(None, "delete-nowhere", [("nowhere", [0]), (TOPIC, [0])]),
    "unknown partition": with_offsets(None, "delete-partition", [(TOPIC, [9, 0])]),
    "empty group id": delete_offsets("", [(TOPIC, [0])]),
    "nothing": with_offsets(None, "delete-nothing", []),
    "unknown group and topic": delete_offsets("no-such-group", [("nowhere", [0])]),
}


def described(*groups, prepare=None):
    def values(side, version):
        names = [f"{group}-{version}" for group in groups]
        if prepare is not None:
            prepare(side, names[0])
        return {"groups": names}
    return values


def operations(side, version):
    assigned(side, f"describe-operations-{version}")
    return {"groups": [f"describe-operations-{version}", "no-such-group"], "includeAuthorizedOperations": True}


DESCRIPTIONS = (
    ("stable", described("describe", prepare=assigned), None),
    ("completing", described("describe-completing", prepare=joined), None),
    ("empty", described("describe-empty", prepare=left), None),
    ("pending", described("describe-pending", prepare=pending), None),
    ("static", described("describe-static", prepare=static(assigned)), None),
    ("another protocol", described("describe-connect", prepare=of_another_protocol), None),
    ("simple", described("commit-simple", prepare=lambda side, group: ask(
        side, "OffsetCommit", commit(group, ONE)(side, 9))), None),
    ("unknown", {"groups": ["no-such-group"]}, None),
    ("several", {"groups": ["no-such-group", "delete-connect", "nor-this"]}, None),
    ("empty group id", {"groups": [""]}, None),
    ("nothing", {"groups": []}, None),
    ("operations", operations, range(3, 99)),
)


def lists():
    yield "all", {}, None
    for state in ("Stable", "stable", "Empty", "CompletingRebalance", "Dead", "Nonsense", ""):
        yield f"state {state!r}", {"statesFilter": [state]}, range(4, 99)
    yield "two states", {"statesFilter": ["Stable", "Empty"]}, range(4, 99)
    for kind in ("classic", "Classic", "consumer", "share", "Nonsense", ""):
        yield f"type {kind!r}", {"typesFilter": [kind]}, range(5, 99)
    yield "state and type", {"statesFilter": ["Empty"], "typesFilter": ["classic"]}, range(5, 99)


DELETED = (
    ("empty", described("deleted-empty", prepare=left), None),
    ("stable", described("deleted-stable", prepare=assigned), None),
    ("pending", described("deleted-pending", prepare=pending), None),
    ("simple", described("deleted-simple", prepare=lambda side, group: ask(
        side, "OffsetCommit", commit(group, ONE)(side, 9))), None),
    ("unknown", described("no-such-group"), None),
    ("several", described("deleted-first", "no-such-group", prepare=left), None),
    ("repeated", described("deleted-again", "deleted-again", prepare=left), None),
    ("empty group id", lambda side, version: {"groups": [""]}, None),
    ("nothing", lambda side, version: {"groups": []}, None),
)


def deleted(make):
    return lambda side, version: {"groupsNames": make(side, version)["groups"]}


def steps(apis):
    yield "fixture", "CreateTopics", {"topics": [topic(TOPIC, 3)]}, [7]
    yield "fixture", "FindCoordinator", lambda side, version: find(side), [4]
    yield "group", "FindCoordinator", {"key": "g"}, range(0, 4)
    yield "groups", "FindCoordinator", {"coordinatorKeys": ["g", "", "another"]}, range(4, 99)
    yield "empty", "FindCoordinator", {"key": ""}, range(0, 4)
    yield "nothing", "FindCoordinator", {"coordinatorKeys": []}, range(4, 99)
    yield "unknown type", "FindCoordinator", {"key": "g", "keyType": 9}, range(1, 4)
    for label, values in JOINS.items():
        yield label, "JoinGroup", values, None
    for label, values in STATIC_JOINS.items():
        yield label, "JoinGroup", values, range(5, 99)
    for make, api in ((sync, "SyncGroup"), (heartbeat, "Heartbeat")):
        for label, values, versions in member_cases(make, api):
            yield label, api, values, versions
    for label, more in (("other type", {"kind": "connect"}), ("other name", {"name": "other"}),
                        ("no type", {"kind": None}), ("no name", {"name": None})):
        yield label, "SyncGroup", with_member(joined, lambda *known, more=more: sync(*known, **more), f"sync-{label.replace(' ', '-')}"), range(5, 99)
    yield "no assignments", "SyncGroup", with_member(joined, lambda *known: sync(*known, assignments=[]), "sync-none"), None
    for label, values, versions in LEAVES:
        yield label, "LeaveGroup", values, versions
    for label, values, versions in COMMITS:
        yield label, "OffsetCommit", values, versions
    for label, values, versions in FETCHES:
        yield label, "OffsetFetch", values, versions
    for label, values in DELETIONS.items():
        yield label, "OffsetDelete", values, None
    for label, values, versions in DESCRIPTIONS:
        yield label, "DescribeGroups", values, versions
    for label, values, versions in lists():
        yield label, "ListGroups", values, versions
    for label, values, versions in DELETED:
        yield label, "DeleteGroups", deleted(values), versions

"""Transactions: every API of theirs in every version, and what the others tell of them."""
import time

import consumers
import groups
import wirecodec as wire

from topics import topic

TIME = int(time.time() * 1000) - 60000
STRANGER = 123456789
OLD, NEW = range(0, 4), range(4, 6)  # AddPartitionsToTxn of clients, and of brokers
PATIENCE = {3, 6, 14, 15, 16, 51}  # while leaders and the coordinator are found and load, and markers are written
INTERNAL = "__consumer_offsets"


def fixture(work):
    """work(side), outside of the comparison."""
    return "fixture", "Metadata", lambda side, version: (work(side), {"topics": []})[1], [9]


def patiently(side, api, version, values, error):
    for _ in range(2000):
        answer = side.ask(api, version, values)
        if error(answer) not in PATIENCE:
            break
        time.sleep(0.05)
    return answer


def single(answer):
    return answer["errorCode"]


def coordinators(side):
    for kind in (0, 1):
        patiently(side, "FindCoordinator", 4, {"keyType": kind, "coordinatorKeys": ["x"]},
                  lambda found: found["coordinators"][0]["errorCode"])


def open_id(name):
    """A transactional id with a new epoch, kept under its name."""
    def work(side):
        answer = patiently(side, "InitProducerId", 5, {
            "transactionalId": name, "transactionTimeoutMs": 600000, "producerId": -1,
            "producerEpoch": -1}, single)
        assert answer["errorCode"] == 0, answer
        side.kept[name] = (answer["producerId"], answer["producerEpoch"])
    return fixture(work)


def settle(name):
    """Until the markers of its transaction are written."""
    def work(side):
        for _ in range(2000):
            answer = side.ask("DescribeTransactions", 0, {"transactionalIds": [name]})
            state = answer["transactionStates"][0]
            if not state["transactionState"].startswith("Prepare"):
                side.kept[name] = (state["producerId"], state["producerEpoch"])
                return
            time.sleep(0.05)
        raise AssertionError(f"{name}: {state}")
    return fixture(work)


def who(side, name, producer=None, epoch=0):
    """Its producer id and epoch; another one, or one epoch more or less."""
    kept = side.kept[name]
    return {"producerId": kept[0] if producer is None else producer, "producerEpoch": kept[1] + epoch}


def add_old(name, partitions, version, **other):
    """AddPartitionsToTxn of a client; partitions: {topic: [index]}"""
    def values(side, _):
        found = {f"v3AndBelow{key[0].upper()}{key[1:]}": value
                 for key, value in who(side, name, **other).items()}
        return {"v3AndBelowTransactionalId": other.get("id", name), **found,
                "v3AndBelowTopics": [{"name": key, "partitions": value}
                                     for key, value in partitions.items()]}
    return values


def add_part(side, name, partitions, verify=False, id_=None, **other):
    return {"transactionalId": name if id_ is None else id_, **who(side, name, **other),
            "verifyOnly": verify,
            "topics": [{"name": key, "partitions": value} for key, value in partitions.items()]}


def begin(name, partitions):
    """Partitions are added outside of the comparison."""
    def work(side):
        answer = patiently(side, "AddPartitionsToTxn", 5, {
            "transactions": [add_part(side, name, partitions)]},
            lambda found: found["resultsByTransaction"][0]["topicResults"][0]["resultsByPartition"][0][
                "partitionErrorCode"])
        assert "'partitionErrorCode': 0" in str(answer), answer
    return fixture(work)


def init_steps(apis):
    for version in apis.versions("InitProducerId"):
        yield open_id(f"init-{version}")
    for label, values in (("a new id", {"transactionalId": "fresh-$v", "transactionTimeoutMs": 60000}),
                          ("again", {"transactionalId": "fresh-$v", "transactionTimeoutMs": 60000}),
                          ("timeout 0", {"transactionalId": "t", "transactionTimeoutMs": 0}),
                          ("negative timeout", {"transactionalId": "t", "transactionTimeoutMs": -1}),
                          ("longest timeout",
                           {"transactionalId": "long-$v", "transactionTimeoutMs": 900000}),
                          ("too long", {"transactionalId": "t", "transactionTimeoutMs": 900001}),
                          ("null and timeout 0", {"transactionalId": None, "transactionTimeoutMs": 0})):
        yield label, "InitProducerId", values, None
    newer = range(3, 99)

    def named(**other):
        return lambda side, version: {"transactionalId": f"init-{version}",
                                      "transactionTimeoutMs": 60000,
                                      **who(side, f"init-{version}", **other)}
    yield "its own id and epoch", "InitProducerId", named(), newer
    yield "its own id and epoch again", "InitProducerId", named(), newer
    yield "its own id, an epoch ahead", "InitProducerId", named(epoch=9), newer
    yield "a stranger's id", "InitProducerId", named(producer=STRANGER), newer
    yield "its own id, the epoch after", "InitProducerId", named(epoch=1), newer
    yield "its own id, the epoch before", "InitProducerId", named(), newer
    for label, id_, epoch in (("an id alone", 5, -1), ("an epoch alone", -1, 5)):
        for transactional_id in ("t", None):
            yield f"{label} of {transactional_id}", "InitProducerId", {
                "transactionalId": transactional_id, "transactionTimeoutMs": 60000,
                "producerId": id_, "producerEpoch": epoch}, newer


def add_steps(apis):
    for version in apis.versions("AddPartitionsToTxn"):
        yield open_id(f"add-{version}")
    for label, partitions, other in (
            ("an unknown id", {"txn": [0]}, {"id": "nobody"}),
            ("an empty id", {"txn": [0]}, {"id": ""}),
            ("another producer", {"txn": [0]}, {"producer": STRANGER}),
            ("another epoch", {"txn": [0]}, {"epoch": 1}),
            ("an unknown topic", {"txn": [0, 1], "unknown": [0]}, {}),
            ("an unknown partition", {"txn": [0, 77]}, {}),
            ("a negative partition", {"txn": [-1]}, {}),
            ("an internal topic", {"txn": [0], INTERNAL: [0]}, {}),
            ("nothing", {}, {}),
            ("a topic without partitions", {"txn": []}, {}),
            ("two partitions", {"txn": [1, 0]}, {}),
            ("one of them again", {"txn": [1]}, {}),
            ("twice the same", {"txn": [2, 2]}, {}),
            ("an older epoch", {"txn": [0]}, {"epoch": -1})):
        def values(side, version, partitions=partitions, other=other):
            id_ = other.get("id", f"add-{version}")
            rest = {key: value for key, value in other.items() if key != "id"}
            found = {f"v3AndBelow{key[0].upper()}{key[1:]}": value
                     for key, value in who(side, f"add-{version}", **rest).items()}
            return {"v3AndBelowTransactionalId": id_, **found, "v3AndBelowTopics": [
                {"name": key, "partitions": value} for key, value in partitions.items()]}

        def several(side, version, partitions=partitions, other=other, verify=False):
            rest = {key: value for key, value in other.items() if key != "id"}
            return {"transactions": [add_part(side, f"add-{version}", partitions, verify,
                                              other.get("id"), **rest)]}
        yield label, "AddPartitionsToTxn", values, OLD
        if partitions:
            yield f"verify {label}", "AddPartitionsToTxn", \
                lambda side, version, several=several: several(side, version, verify=True), NEW
            yield label, "AddPartitionsToTxn", several, NEW
    yield "two transactions", "AddPartitionsToTxn", lambda side, version: {"transactions": [
        add_part(side, f"add-{version}", {"txn": [0]}),
        add_part(side, f"add-{version}", {"txn": [0]}, id_="nobody")]}, NEW
    for version in apis.versions("AddOffsetsToTxn"):
        yield open_id(f"group-{version}")
    for label, other in (("an unknown id", {"id": "nobody"}), ("an empty id", {"id": ""}),
                         ("another producer", {"producer": STRANGER}), ("another epoch", {"epoch": 1}),
                         ("right", {}), ("again", {}), ("an empty group", {"group": ""})):
        def offsets(side, version, other=other):
            rest = {key: value for key, value in other.items() if key not in ("id", "group")}
            return {"transactionalId": other.get("id", f"group-{version}"),
                    "groupId": other.get("group", "txn-group"),
                    **who(side, f"group-{version}", **rest)}
        yield label, "AddOffsetsToTxn", offsets, None


def produce(name, partition=0, sequence=0, transactional=True, told=True, count=2, **other):
    def values(side, version):
        id_ = name.replace("$v", str(version))
        found = who(side, id_, **other)
        data = wire.batch([b"x"] * count, found["producerId"], found["producerEpoch"], sequence, TIME,
                          0x10 if transactional else 0)
        whole = {"name": "txn", "partitionData": [{"index": partition, "records": data}]} \
            if version < 13 else \
            {"topicId": "$id:txn", "partitionData": [{"index": partition, "records": data}]}
        return {"acks": -1, "timeoutMs": 10000, "transactionalId": id_ if told else None,
                "topicData": [whole]}
    return values


def produce_steps(apis):
    for version in apis.versions("Produce"):
        yield open_id(f"produce-{version}")
        yield "fixture", "Produce", produce(f"produce-{version}", 2), [version]
    yield "not added", "Produce", produce("produce-$v"), range(0, 12)
    for version in range(3, 12):
        yield begin(f"produce-{version}", {"txn": [0, 1]})
    yield "another epoch", "Produce", produce("produce-$v", 1, epoch=5), None
    yield "another producer", "Produce", produce("produce-$v", 1, producer=STRANGER), None
    yield "without its id", "Produce", produce("produce-$v", told=False), None
    yield "first", "Produce", produce("produce-$v"), None
    yield "again", "Produce", produce("produce-$v"), None
    yield "next", "Produce", produce("produce-$v", sequence=2), None
    yield "a gap", "Produce", produce("produce-$v", sequence=9), None
    yield "not from 0", "Produce", produce("produce-$v", 1, sequence=3), None
    yield "not transactional while it is open", "Produce", \
        produce("produce-$v", sequence=4, transactional=False, told=False), None
    yield "an older epoch", "Produce", produce("produce-$v", sequence=4, epoch=-1), None


def two_producers(side, version):
    first, second = produce("produce-$v")(side, version), produce("produce-$v", 1, producer=7)(side, version)
    first["topicData"][0]["partitionData"] += second["topicData"][0]["partitionData"]
    return first


def commit_offsets(name, topic_="txn", partition=0, group="txn-offsets-$v", metadata="", **other):
    def values(side, version):
        id_ = name.replace("$v", str(version))
        rest = {key: value for key, value in other.items() if key in ("producer", "epoch")}
        more = {key: value for key, value in other.items() if key not in ("producer", "epoch", "id")}
        return {"transactionalId": other.get("id", id_), "groupId": group, **who(side, id_, **rest), **more,
                "topics": [{"name": topic_, "partitions": [
                    {"partitionIndex": partition, "committedOffset": 4,
                     "committedMetadata": metadata}]}]}
    return values


def offset_steps(apis):
    for version in apis.versions("TxnOffsetCommit"):
        yield open_id(f"offsets-{version}")
    yield "not added", "TxnOffsetCommit", commit_offsets("offsets-$v"), range(0, 5)
    for version in range(0, 5):
        def add_group(side, version=version):
            answer = patiently(side, "AddOffsetsToTxn", 3, {
                "transactionalId": f"offsets-{version}", "groupId": f"txn-offsets-{version}",
                **who(side, f"offsets-{version}")}, single)
            assert answer["errorCode"] == 0, answer
        yield fixture(add_group)
    for label, more in (("an unknown topic", {"topic_": "unknown"}),
                        ("an unknown partition", {"partition": 77}), ("an empty group", {"group": ""}),
                        ("another epoch", {"epoch": 3}), ("another producer", {"producer": STRANGER}),
                        ("right", {}), ("again", {}), ("long metadata", {"metadata": "m" * 4097}),
                        ("null metadata", {"metadata": None})):
        yield label, "TxnOffsetCommit", commit_offsets("offsets-$v", **more), None
    newer = range(3, 99)
    for label, more in (("a generation of an unknown group", {"generationId": 3}),
                        ("a member of an unknown group", {"generationId": 3, "memberId": "m"}),
                        ("a static member", {"groupInstanceId": "i"})):
        yield label, "TxnOffsetCommit", commit_offsets("offsets-$v", **more), newer
    for group in (0, 5):
        yield f"stable offsets of {group}", "OffsetFetch", {
            "groupId": f"txn-offsets-{group}", "requireStable": True,
            "topics": [{"name": "txn", "partitionIndexes": [0, 1]}]}, [7]
        yield f"offsets of {group}", "OffsetFetch", {
            "groupId": f"txn-offsets-{group}", "requireStable": False,
            "topics": [{"name": "txn", "partitionIndexes": [0, 1]}]}, [7]
        yield f"all stable offsets of {group}", "OffsetFetch", {
            "requireStable": True, "groups": [{"groupId": f"txn-offsets-{group}", "topics": None}]}, \
            range(8, 10)


def offsets_of_member(label, prepare, told):
    """TxnOffsetCommit in a group of its own, which prepare makes; told: what the request says of the member,
    from what prepare gives."""
    def values(side, version):
        word = label.replace(" ", "-").replace(",", "")
        name, group = f"member-{word}-{version}", f"txn-{word}-{version}"
        known = prepare(side, group) if prepare is not None else None
        open_id(name)[2](side, 9)
        if version < 5:
            answer = patiently(side, "AddOffsetsToTxn", 3,
                               {"transactionalId": name, "groupId": group, **who(side, name)}, single)
            assert answer["errorCode"] == 0, answer
        return commit_offsets(name, group=group, **told(known))(side, version)
    return label, "TxnOffsetCommit", values, range(3, 99)


def pending_offsets(side, group):
    """An open transaction has offsets for the group, which has nothing else."""
    open_id(f"pending-{group}")[2](side, 9)
    answer = side.ask("TxnOffsetCommit", 5, commit_offsets(f"pending-{group}", group=group)(side, 5))
    assert "'errorCode': 0" in str(answer), answer


def member_steps(apis):
    def of(member, generation):
        return {"memberId": member, "generationId": generation}
    for label, prepare, told in (
            ("classic", groups.assigned, lambda known: of(*known)),
            ("classic, completing", groups.joined, lambda known: of(*known)),
            ("classic, a generation ahead", groups.assigned, lambda known: of(known[0], known[1] + 1)),
            ("classic, a generation behind", groups.assigned, lambda known: of(known[0], known[1] - 1)),
            ("classic, no generation", groups.assigned, lambda known: of(known[0], -1)),
            ("classic, a stranger", groups.assigned, lambda known: of(groups.STRANGER, known[1])),
            ("classic, nobody", groups.assigned, lambda known: of("", -1)),
            ("classic, left", groups.left, lambda known: of(known, 1)),
            ("classic, nobody of an empty one", groups.left, lambda known: of("", -1)),
            ("classic, handed-out id", groups.pending, lambda known: of(known, 1)),
            ("static", groups.static(groups.assigned), lambda known: {**of(*known), "groupInstanceId": "one"}),
            ("static, fenced", groups.static(groups.assigned),
             lambda known: {**of(groups.STRANGER, known[1]), "groupInstanceId": "one"}),
            ("static, another instance", groups.static(groups.assigned),
             lambda known: {**of(*known), "groupInstanceId": "two"}),
            ("consumer", consumers.member, lambda epoch: of("one", epoch)),
            ("consumer, an epoch ahead", consumers.member, lambda epoch: of("one", epoch + 1)),
            ("consumer, an epoch behind", consumers.two, lambda epoch: of("one", epoch - 1)),
            ("consumer, a stranger", consumers.member, lambda epoch: of("nobody", epoch)),
            ("consumer, nobody", consumers.member, lambda epoch: of("", -1)),
            ("consumer, gone", consumers.gone, lambda epoch: of("one", epoch)),
            ("mixed, classic member", consumers.mixed, lambda known: of(*known))):
        yield offsets_of_member(label, prepare, told)
    for api, values in (("DeleteGroups", lambda group: {"groupsNames": [group]}),
                        ("OffsetDelete", lambda group: {"groupId": group, "topics": [
                            {"name": "txn", "partitions": [{"partitionIndex": 0}]}]}),
                        ("DescribeGroups", lambda group: {"groups": [group]})):
        yield "of pending offsets", api, lambda side, version, api=api, values=values: (
            pending_offsets(side, f"pending-{api}-{version}"), values(f"pending-{api}-{version}"))[1], None


def end(commit, **other):
    def values(side, version):
        rest = {key: value for key, value in other.items() if key != "id"}
        return {"transactionalId": other.get("id", f"end-{version}"), "committed": commit,
                **who(side, f"end-{version}", **rest)}
    return values


def end_steps(apis):
    every = list(apis.versions("EndTxn"))
    for version in every:
        yield open_id(f"end-{version}")
    for commit in (True, False):
        word = "commit" if commit else "abort"
        for label, other in (("an unknown id", {"id": "nobody"}), ("an empty id", {"id": ""}),
                             ("another producer", {"producer": STRANGER}), ("an epoch ahead", {"epoch": 1}),
                             ("an epoch behind", {"epoch": -1})):
            yield f"{word}: {label}", "EndTxn", end(commit, **other), None
        yield f"{word} nothing", "EndTxn", end(commit), None
    for version in every:
        yield settle(f"end-{version}")
        yield begin(f"end-{version}", {"txn": [0]})
    for commit in (True, False):
        word = "commit" if commit else "abort"
        yield word, "EndTxn", end(commit), None
        for version in every:
            def wait(side, version=version):
                before = side.kept[f"end-{version}"]
                settle(f"end-{version}")[2](side, 9)
                side.kept[f"end-{version}"] = before
            yield fixture(wait)
        yield f"{word} again", "EndTxn", end(commit), None
        yield f"the opposite of {word}", "EndTxn", end(not commit), None
        yield f"{word} with an epoch ahead", "EndTxn", end(commit, epoch=2), None
        for version in every:
            yield settle(f"end-{version}")
            yield begin(f"end-{version}", {"txn": [0, 1]})


def markers(version_epoch, partitions, commit=True, coordinator_epoch=0, producer="$kept:marked"):
    return lambda side, version: {"markers": [{
        "producerId": side.kept["marked"][0] if producer == "$kept:marked" else producer,
        "producerEpoch": side.kept["marked"][1] + version_epoch, "transactionResult": commit,
        "coordinatorEpoch": coordinator_epoch, "topics": [
            {"name": key, "partitionIndexes": value} for key, value in partitions.items()]}]}


def marker_steps(apis):
    yield open_id("marked")
    yield begin("marked", {"txn": [0, 1]})
    yield "fixture", "Produce", produce("marked"), [11]
    for label, epoch, partitions, more in (
            ("an unknown topic", 0, {"unknown": [0]}, {}), ("an unknown partition", 0, {"txn": [77]}, {}),
            ("nothing", 0, {}, {}), ("an older epoch", -1, {"txn": [0]}, {}),
            ("known and unknown", 0, {"txn": [1], "unknown": [0]}, {}),
            ("an offsets partition", 0, {INTERNAL: [0, 1, 2]}, {}),
            ("a stranger", 0, {"txn": [1]}, {"producer": STRANGER}),
            ("abort", 1, {"txn": [0]}, {"commit": False}),
            ("once more", 1, {"txn": [0]}, {"commit": False}),
            ("an older coordinator", 2, {"txn": [0]}, {"coordinator_epoch": -1})):
        yield label, "WriteTxnMarkers", markers(epoch, partitions, **more), None
    yield "no markers", "WriteTxnMarkers", {"markers": []}, None


def told_steps(apis):
    yield open_id("told")
    yield "known", "DescribeTransactions", {"transactionalIds": ["told"]}, None
    yield begin("told", {"txn": [3, 2]})
    yield "fixture", "Produce", produce("told", 3), [11]
    for label, ids in (("ongoing", ["told"]), ("unknown", ["nobody"]), ("empty", [""]), ("none", []),
                       ("several", ["nobody", "told", ""])):
        yield label, "DescribeTransactions", {"transactionalIds": ids}, None
    for label, topics in (("open", {"txn": [3]}), ("none", {}), ("unknown", {"unknown": [0]}),
                          ("unknown partition", {"txn": [77, -1]}), ("bad name", {"a b": [0]}),
                          ("empty name", {"": [0]}), ("no partitions", {"txn": []})):
        yield label, "DescribeProducers", {"topics": [
            {"name": key, "partitionIndexes": value} for key, value in topics.items()]}, None
    for isolation in (0, 1):
        yield f"with an open one, isolation {isolation}", "Fetch", \
            lambda side, version, isolation=isolation: fetch_values(version, isolation), range(4, 99)
        yield f"with an open one, isolation {isolation}", "ListOffsets", {
            "replicaId": -1, "isolationLevel": isolation, "topics": [{"name": "txn", "partitions": [
                {"partitionIndex": 3, "timestamp": -1, "currentLeaderEpoch": -1}]}]}, range(4, 99)
    for key in ("told", ""):
        yield f"transaction {key}", "FindCoordinator", {"key": key, "keyType": 1}, range(1, 4)
        yield f"transaction {key}", "FindCoordinator", {"coordinatorKeys": [key], "keyType": 1}, \
            range(4, 99)


def list_steps(apis):
    """Every id that the cases before have left, in many ways; those of one name at a time."""
    for label, more in (("all", {}), ("no state", {"stateFilters": []}),
                        ("ongoing", {"stateFilters": ["Ongoing"]}),
                        ("two states", {"stateFilters": ["Empty", "CompleteCommit"]}),
                        ("dead", {"stateFilters": ["Dead"]}),
                        ("an unknown state", {"stateFilters": ["Bogus", "ongoing", "Ongoing"]}),
                        ("no producer of these", {"producerIdFilters": [STRANGER]})):
        yield label, "ListTransactions", more, None
    yield "its producer", "ListTransactions", lambda side, version: {
        "producerIdFilters": [side.kept["told"][0], STRANGER]}, None
    for duration in (-1, 0, 1 << 40):
        yield f"longer than {duration}", "ListTransactions", {"durationFilter": duration}, range(1, 99)
    for pattern in (None, "", "told", "to", "to.*", "init-[0-3]", "(?i)TOLD", "x*", "(", "[a", "a{2,1}",
                    "^told$", "add-\\d|told", "(?=x)"):
        yield f"pattern {pattern}", "ListTransactions", {"transactionalIdPattern": pattern}, [2]


def fetch_values(version, isolation):
    whole = {"partitions": [{"partition": 3, "fetchOffset": 0, "partitionMaxBytes": 1 << 20}]}
    whole.update({"topic": "txn"} if version < 13 else {"topicId": "$id:txn"})
    return {"maxWaitMs": 0, "minBytes": 0, "maxBytes": 1 << 20, "isolationLevel": isolation,
            "topics": [whole]}


def steps(apis):
    yield "fixture", "CreateTopics", {"topics": [topic("txn", 4, 1), topic(groups.TOPIC, 3), topic(
        consumers.TOPIC, 3), topic(consumers.SINGLE)]}, [7]
    yield fixture(coordinators)
    for family in (init_steps, add_steps, produce_steps, offset_steps, member_steps, end_steps, marker_steps,
                   told_steps, list_steps):
        yield from family(apis)
    yield "two producers", "Produce", two_producers, None

"""Forms that no client sends: every API that we serve, in every version, with nothing in it, with null where that is
forbidden, with a tag that nobody knows, cut short, of a version that there is not; entries that come twice, good and bad
ones together, fetch sessions from their begin to their end."""
import struct

import groups
import sides
from codec import holds, uvarint
from data import GOOD, LATEST
from topics import UNKNOWN_ID, topic
from transactions import fixture, patiently, single

SERVED = ("Produce", "Fetch", "ListOffsets", "Metadata", "OffsetCommit", "OffsetFetch", "FindCoordinator", "JoinGroup",
          "Heartbeat", "LeaveGroup", "SyncGroup", "DescribeGroups", "ListGroups", "CreateTopics", "DeleteTopics",
          "DeleteRecords", "InitProducerId", "AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn", "WriteTxnMarkers",
          "TxnOffsetCommit", "OffsetForLeaderEpoch", "DescribeConfigs", "AlterConfigs", "AlterReplicaLogDirs",
          "DescribeLogDirs", "CreatePartitions", "DeleteGroups", "ElectLeaders", "IncrementalAlterConfigs",
          "AlterPartitionReassignments", "ListPartitionReassignments", "OffsetDelete", "DescribeQuorum", "UpdateFeatures",
          "DescribeCluster", "UnregisterBroker", "DescribeProducers", "ListTransactions", "DescribeTransactions",
          "ConsumerGroupHeartbeat", "ConsumerGroupDescribe", "ListConfigResources", "DescribeTopicPartitions")
STRANGE_TAG = uvarint(1) + uvarint(9999) + uvarint(3) + b"abc"
# Asked in these versions only, since nothing comes back: acks are 0, or Apache Kafka forgets to answer.
UNANSWERED = {"Produce": (9,), "AddPartitionsToTxn": (3, 4)}
FORMS, TWICE = "forms", "forms-twice"


class Asked:
    """For the table of cases, in the place of a request's values: what work(side, version) gives."""

    def __init__(self, work):
        self.answers = work


def changed(api, change):
    """The request without anything in it, its bytes changed."""
    def work(side, version):
        side.correlation_id += 1
        if api in UNANSWERED:
            side.patience = sides.SILENCE_SECONDS
        data = side.ask_bytes(change(side.apis.request(api, version, side.correlation_id, {})))
        return data if isinstance(data, str) else side.apis.response(api, version, data)[1]
    return Asked(work)


def forbidden_nulls(spec, shared, version, inside=lambda value: value, path=()):
    """(name, request) with null in one place where it is not allowed."""
    for field in spec:
        kind, name = field["type"], field["name"]
        if not holds(field.get("versions"), version) or field.get("taggedVersions"):
            continue
        nullable = "nullableVersions" in field and holds(field["nullableVersions"], version)
        if (kind.startswith("[]") or kind == "string") and not nullable:
            yield ".".join((*path, name)), inside({name: None})
        fields = field.get("fields") or shared.get(kind[2:])
        if kind.startswith("[]") and fields:
            yield from forbidden_nulls(fields, shared, version,
                                       lambda value, name=name: inside({name: [value]}), (*path, name))


def null_steps(apis):
    for api in SERVED:
        spec = apis.specs[f"{api}Request"]
        shared = {item["name"]: item["fields"] for item in spec.get("commonStructs", [])}
        for version in apis.versions(api):
            for name, values in forbidden_nulls(spec["fields"], shared, version):
                yield f"null {name}", api, values, [version]


def form_steps(apis):
    for api in SERVED:
        flexible = [version for version in apis.versions(api) 
                    if holds(apis.specs[f"{api}Request"].get("flexibleVersions"), version)]
        quick = [version for version in apis.versions(api) if version in UNANSWERED.get(api, (version,))]
        yield "nothing in it", api, changed(api, lambda frame: frame), quick
        yield "an unknown tag", api, changed(api, lambda frame: frame[:-1] + STRANGE_TAG), \
            [version for version in flexible if version in quick]
        yield "a byte too few", api, changed(api, lambda frame: frame[:-1]), None
        high = apis.versions(api)[-1]
        yield "a version that is not there", api, changed(
            api, lambda frame: frame[:2] + struct.pack(">h", 1000) + frame[4:]), [high]
        yield "a negative version", api, changed(
            api, lambda frame: frame[:2] + struct.pack(">h", -1) + frame[4:]), [high]


def produce(*parts, name=FORMS):
    """parts: (partition, records)"""
    def values(side, version):
        named = {"name": name} if version < 13 else {"topicId": f"$id:{name}"}
        return {"acks": -1, "timeoutMs": 10000, "topicData": [
            {**named, "partitionData": [{"index": index, "records": records} for index, records in parts]}]}
    return values


def fetch_once(side, version, asked=(), forgotten=(), **session):
    """asked: (partition, offset). What comes back of each, without what it is made of."""
    name = {"topic": FORMS} if version < 13 else {"topicId": f"$id:{FORMS}"}
    answer = side.ask("Fetch", version, {
        "maxWaitMs": 0, "minBytes": 0, "maxBytes": 1 << 20, **session,
        "topics": [{**name, "partitions": [{"partition": index, "fetchOffset": offset, "partitionMaxBytes": 1 << 20}
                                           for index, offset in asked]}] if asked else [],
        "forgottenTopicsData": [{**name, "partitions": list(forgotten)}] if forgotten else []})
    if isinstance(answer, str):
        return answer, 0
    told = [(part["partitionIndex"], part["errorCode"], part["highWatermark"], len(part["records"] or b""))
            for item in answer["responses"] for part in item["partitions"]]
    return {"errorCode": answer["errorCode"], "partitions": sorted(told), "is": answer["sessionId"] != 0}, \
        answer["sessionId"]


def a_session(side, version):
    """What each step of one session answers."""
    told, session = fetch_once(side, version, [(0, 0), (1, 0)], sessionId=0, sessionEpoch=0)
    found = [told]
    for asked, forgotten, epoch in (
            ((), (), 1),                    # nothing is new
            (((0, 2),), (), 2),             # another position
            (((2, 0),), (1,), 3),           # one more, one less
            ((), (), 3),                    # an epoch that was
            ((), (), 9),                    # one that is to come
            (((1, 99),), (), 4),            # beyond the end
            ((), (0, 1, 2), 5),             # nothing is left
            ((), (7,), 6),                  # forgotten without having been there
            (((0, 0),), (), -1),            # ended, and read without one
            ((), (), 7)):                   # what is not there any more
        found.append(fetch_once(side, version, asked, forgotten, sessionId=session, sessionEpoch=epoch)[0])
    return {"steps": [str(told) for told in found]}


def sessions_that_make_room(side, version):
    """A new one in the place of another, and two of one connection."""
    _, first = fetch_once(side, version, [(0, 0)], sessionId=0, sessionEpoch=0)
    _, second = fetch_once(side, version, [(1, 0)], sessionId=first, sessionEpoch=0)
    return {"differ": first != second,
            "first": str(fetch_once(side, version, (), (), sessionId=first, sessionEpoch=1)[0]),
            "second": str(fetch_once(side, version, (), (), sessionId=second, sessionEpoch=1)[0])}


def api_versions(side, version):
    """Without the ranges of what is not served here; versions that there are not are answered in version 0."""
    side.correlation_id += 1
    frame = side.apis.request("ApiVersions", min(version, 4), side.correlation_id,
                              {"clientSoftwareName": "a", "clientSoftwareVersion": "1"} if version > 2 else {})
    data = side.ask_bytes(frame[:2] + struct.pack(">h", version) + frame[4:])
    if isinstance(data, str):
        return data
    answer = side.apis.response("ApiVersions", version if 0 <= version <= 4 else 0, data)[1]
    served = {side.apis.specs[f"{name}Request"]["apiKey"] for name in SERVED}
    answer["apiKeys"] = [item for item in answer["apiKeys"] if item["apiKey"] in served]
    return answer


def named(name, software_version="1"):
    return Asked(lambda side, version: side.ask("ApiVersions", version, {
        "clientSoftwareName": name, "clientSoftwareVersion": software_version})["errorCode"])


# What has a time to be done in, and the versions that can say it so.
TIMED = (
    ("CreateTopics", {"topics": [topic("untimely")]}, None),
    ("DeleteTopics", {"topicNames": ["nowhere"]}, range(0, 6)),
    ("DeleteTopics", {"topics": [{"name": "nowhere"}]}, range(6, 99)),
    ("CreatePartitions", {"topics": [{"name": "nowhere", "count": 2, "assignments": None}]}, None),
    ("ElectLeaders", {"topicPartitions": [{"topic": FORMS, "partitions": [0]}]}, None),
    ("AlterPartitionReassignments", {"topics": [{"name": FORMS, "partitions": [
        {"partitionIndex": 0, "replicas": None}]}]}, None),
    ("ListPartitionReassignments", {"topics": None}, None), ("UpdateFeatures", {}, None))


def steps(apis):
    yield "fixture", "CreateTopics", {"topics": [topic(FORMS, 3), topic(TWICE)]}, [7]
    yield fixture(lambda side: [patiently(side, "Produce", 9, produce((index, GOOD))(side, 9), lambda answer: answer[
        "responses"][0]["partitionResponses"][0]["errorCode"]) for index in range(3)])
    yield fixture(lambda side: (groups.find(side), patiently(side, "ListGroups", 5, {}, single)))
    for label, parts in (("good and bad", [(0, GOOD), (9, GOOD), (1, GOOD[:-1])]), ("no partitions", [])):
        yield label, "Produce", produce(*parts), None
    yield "a partition twice", "Produce", produce((0, GOOD), (0, GOOD), name=TWICE), None
    yield "an unknown topic and a known one", "Produce", lambda side, version: {
        "acks": -1, "timeoutMs": 10000, "topicData": [
            {**({"name": "nowhere"} if version < 13 else {"topicId": UNKNOWN_ID}),
             "partitionData": [{"index": 0, "records": GOOD}]}, *produce((2, GOOD))(side, version)["topicData"]]}, None
    for timeout in (0, -1):
        yield f"timeout {timeout}", "Produce", lambda side, version, timeout=timeout: {
            **produce((2, GOOD))(side, version), "timeoutMs": timeout}, None
        for api, values, times in TIMED:
            yield f"timeout {timeout}", api, {**values, "timeoutMs": timeout}, times
    for api, inner in (("ListOffsets", {"partitionIndex": 0, "timestamp": LATEST}),
                       ("DeleteRecords", {"partitionIndex": 0, "offset": 1})):
        for label, parts in (("a partition twice", [inner, inner]), ("no partitions", [])):
            yield label, api, {"topics": [{"name": FORMS, "partitions": parts}]}, None
        yield "a topic twice", api, {"topics": [{"name": FORMS, "partitions": [inner]},
                                                {"name": FORMS, "partitions": [{**inner, "partitionIndex": 1}]}]}, None
    for label, parts in (("a partition twice", [0, 0]), ("no partitions", [])):
        yield label, "OffsetForLeaderEpoch", {"replicaId": -1, "topics": [{"topic": FORMS, "partitions": [
            {"partition": index, "leaderEpoch": 0, "currentLeaderEpoch": -1} for index in parts]}]}, None
    yield "a session to its end", "Fetch", Asked(a_session), range(7, 99)
    yield "sessions that make room", "Fetch", Asked(sessions_that_make_room), range(7, 99)
    for version in (*range(0, 5), 5, 99, -1):
        yield f"as version {version}", "ApiVersions", Asked(
            lambda side, _, version=version: api_versions(side, version)), [4]
    for name in ("", "bad name", "-dash", "a" * 300):
        yield f"software {name[:9]!r}", "ApiVersions", named(name), range(3, 99)
    yield "software without version", "ApiVersions", named("a", ""), range(3, 99)
    yield from form_steps(apis)
    yield from null_steps(apis)

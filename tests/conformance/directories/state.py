"""What a broker holds, as its answers to raw requests, in a form that two brokers share."""
import wirecodec as wire

NAMES_ONLY = 12  # the last version of Fetch with names of topics
FETCH_BYTES = 1 << 25
EARLIEST, LATEST, MAX_TIMESTAMP = -2, -1, -3
DYNAMIC_SOURCES = {1: "topic", 2: "broker", 3: "default broker", 7: "client metrics", 8: "group"}
TOPIC, BROKER, CLIENT_METRICS, GROUP = 2, 4, 16, 32  # kinds of resources
COMMITTED = 1


def fetch(side, topic, partition, offset, isolation):
    answer = side.ask("Fetch", NAMES_ONLY, {
        "replicaId": -1, "maxWaitMs": 0, "minBytes": 0, "maxBytes": FETCH_BYTES,
        "isolationLevel": isolation, "sessionEpoch": -1, "topics": [
            {"topic": topic, "partitions": [{"partition": partition, "fetchOffset": offset,
                                             "logStartOffset": -1, "currentLeaderEpoch": -1,
                                             "partitionMaxBytes": FETCH_BYTES}]}]})
    return answer["responses"][0]["partitions"][0]


def batches(records):
    """The whole batches of what a fetch gave, as bytes."""
    found = []
    while len(records) >= 61 and len(records) >= 12 + int.from_bytes(records[8:12], "big"):
        size = 12 + int.from_bytes(records[8:12], "big")
        found.append(records[:size])
        records = records[size:]
    return found


def next_offset(batch):
    return int.from_bytes(batch[:8], "big") + int.from_bytes(batch[23:27], "big") + 1


def read(side, topic, partition, isolation):
    """Everything that a reader of this isolation gets: batches, byte for byte, and the bounds."""
    first = fetch(side, topic, partition, 0, isolation)
    if first["errorCode"] == 1:
        start = first["logStartOffset"]
        if start < 0:
            start = list_offset(side, topic, partition, EARLIEST)["offset"]
        first = fetch(side, topic, partition, start, isolation)
    answer, found, aborted = first, [], set()
    while True:
        if answer["errorCode"] != 0:
            return {"error": answer["errorCode"]}
        part = batches(answer["records"] or b"")
        aborted |= {(item["producerId"], item["firstOffset"])
                    for item in answer["abortedTransactions"] or []}
        if not part:
            break
        found += part
        answer = fetch(side, topic, partition, next_offset(part[-1]), isolation)
    return {"batches": [batch.hex() for batch in found], "aborted": sorted(aborted),
            "log start": first["logStartOffset"], "high watermark": first["highWatermark"],
            "last stable": first["lastStableOffset"]}


def list_offset(side, topic, partition, timestamp, isolation=0):
    answer = side.ask("ListOffsets", 9, {
        "replicaId": -1, "isolationLevel": isolation, "topics": [{"name": topic, "partitions": [
            {"partitionIndex": partition, "currentLeaderEpoch": -1, "timestamp": timestamp}]}]})
    found = answer["topics"][0]["partitions"][0]
    return found


def times(side, topic, partition, first):
    """ListOffsets for the special times and around those of the batches."""
    stamps = {int.from_bytes(bytes.fromhex(batch)[35:43], "big") for batch in first[:8]}
    asked = [EARLIEST, LATEST, MAX_TIMESTAMP, *sorted(stamps), *sorted(s + 1 for s in stamps)]
    found = {f"{when}": list_offset(side, topic, partition, when) for when in asked}
    found["committed"] = list_offset(side, topic, partition, LATEST, COMMITTED)
    # The newest epoch, which every start raises; it is also that of the start of an empty log.
    for when in [str(LATEST), "committed"] + ([] if first else [str(EARLIEST)]):
        del found[when]["leaderEpoch"]
    return found


def epoch_ends(side, topic, partition, current):
    """Of the epochs that are over."""
    answer = side.ask("OffsetForLeaderEpoch", 4, {"replicaId": -1, "topics": [
        {"topic": topic, "partitions": [{"partition": partition, "leaderEpoch": epoch,
                                         "currentLeaderEpoch": -1} for epoch in range(current)]}]})
    return [(item["errorCode"], item["leaderEpoch"], item["endOffset"])
            for item in answer["topics"][0]["partitions"]] if current > 0 else []


def dynamic(side, kind, name):
    """The settings that were made, by where they come from."""
    answer = side.ask("DescribeConfigs", 4, {"resources": [
        {"resourceType": kind, "resourceName": name, "configurationKeys": None}]})
    result = answer["results"][0]
    return {"error": result["errorCode"],
            **{item["name"]: (item["value"], DYNAMIC_SOURCES[item["configSource"]])
               for item in result["configs"] or [] if item["configSource"] in DYNAMIC_SOURCES}}


def topics_of(side):
    """{name: (id, {partition: leader epoch})}"""
    answer = side.ask("Metadata", 12, {"topics": None, "allowAutoTopicCreation": False})
    side.learn(answer)
    return {topic["name"]: (topic["topicId"], {part["partitionIndex"]: part["leaderEpoch"]
                                               for part in topic["partitions"]})
            for topic in answer["topics"]}


def capture(side, epochs, but=("torn",)):
    """All of it, but some topics; epochs: of an earlier one, since each start may raise them."""
    state = {"settings": {"of the default broker": dynamic(side, BROKER, ""),
                          "of broker 1": dynamic(side, BROKER, "1"),
                          "of a group": dynamic(side, GROUP, "group-consumer"),
                          "of a subscription": dynamic(side, CLIENT_METRICS, "subscription")}}
    for name, (id_, partitions) in sorted(topics_of(side).items()):
        if name in but:
            continue
        state[name] = {"id": id_, "settings": dynamic(side, TOPIC, name)}
        for index in sorted(partitions):
            raw = read(side, name, index, 0)
            state[name][index] = {
                "all": raw, "committed": read(side, name, index, COMMITTED),
                "times": times(side, name, index, raw.get("batches", [])),
                "epoch ends": epoch_ends(side, name, index, epochs[name][index])}
    return state


def is_led(side):
    """Whether every partition is served: the metadata may know a leader before the leader does."""
    return all(list_offset(side, name, index, LATEST)["errorCode"] == 0
               for name, (_, partitions) in topics_of(side).items() for index in partitions)


def epochs_of(side):
    return {name: partitions for name, (_, partitions) in topics_of(side).items()}


def same(one, other, path=""):
    """What differs, a line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other), key=str):
            at = f"{path}.{key}" if path else str(key)
            if key not in one or key not in other:
                yield f"{at}: only {'before' if key in one else 'after'}"
            else:
                yield from same(one[key], other[key], at)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (left, right) in enumerate(zip(one, other)):
            yield from same(left, right, f"{path}[{i}]")
    elif isinstance(one, list) and isinstance(other, list):
        yield f"{path}: {len(one)} != {len(other)} items"
    elif one != other:
        yield f"{path}: {str(one)[:200]} != {str(other)[:200]}"

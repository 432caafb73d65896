"""Transactional ids whose epochs come to their end. Nobody counts 32,766 epochs for that: their records are put into
the log of the coordinator, which the brokers load when they are started anew."""
import struct
import time

import wirecodec as wire

from topics import topic
from transactions import PATIENCE, coordinators, fixture

TOPIC, STATE, STATE_PARTITIONS = "exhausted", "__transaction_state", 50
OLD = 500000000  # producer ids from here on are in the records
EMPTY, ONGOING, COMPLETE_COMMIT = 0, 1, 4
LAST = 32767


def java_hash(text):
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xffffffff
    return min(value, (1 << 32) - value) % (1 << 31)


def compact(text):
    return bytes([len(text) + 1]) + text.encode()


def tag(number, data):
    return bytes([number, len(data)]) + data


def log_record(name, producer, epoch, state, timeout_ms):
    """Key and value of version 1."""
    now = int(time.time() * 1000)
    value = struct.pack(">hqhib", 1, producer, epoch, timeout_ms, state)
    value += b"\0" if state == EMPTY else b"\1" if state != ONGOING else \
        b"\2" + compact(TOPIC) + b"\2" + struct.pack(">i", 0) + b"\0"
    value += struct.pack(">qq", now, -1 if state == EMPTY else now)
    value += b"\3" + tag(0, struct.pack(">q", producer)) + tag(1, struct.pack(">q", -1)) + tag(2, struct.pack(">h", 2))
    return struct.pack(">h", 0) + wire.string(name), value


def plant(side, name, *what):
    key, value = log_record(name, *what)
    body = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + wire.record(0, value, key)
    tail = struct.pack(">ibI", -1, 2, wire.crc32c(body)) + body
    frame = side.apis.request("Produce", 9, side.correlation_id, {
        "acks": -1, "timeoutMs": 10000, "transactionalId": None, "topicData": [{"name": STATE, "partitionData": [
            {"index": java_hash(name) % STATE_PARTITIONS, "records": struct.pack(">qi", 0, len(tail)) + tail}]}]},
        client_id="__admin_client")
    for _ in range(2000):
        answer = side.apis.response("Produce", 9, side.ask_bytes(frame))[1]["responses"][0]["partitionResponses"][0]
        if answer["errorCode"] not in PATIENCE:
            break
        time.sleep(0.05)
    assert answer["errorCode"] == 0, answer


class Story:
    """What one id is told, one request after the other; its producer ids are called by their order."""

    def __init__(self, side, name, producer, epoch):
        self.side, self.name, self.old, self.told = side, name, (producer, epoch), []
        self.now = self.old
        self.names = {producer: "old", -1: "none"}

    def tell(self, what, answer, error):
        producer, epoch = answer.get("producerId", -1), answer.get("producerEpoch", -1)
        if producer >= 0:
            self.now = (producer, epoch)
        self.told.append((what, error, self.names.setdefault(producer, f"new {len(self.names) - 1}"), epoch))

    def ask(self, api, version, values, error=lambda answer: answer["errorCode"], patient=()):
        for _ in range(2000):
            answer = self.side.ask(api, version, values)
            if error(answer) not in patient:
                break
            time.sleep(0.05)
        return answer, error(answer)

    def init(self, who, epoch=0):
        """who: "any", or "old" or "now", epoch away."""
        producer, its = (-1, -1) if who == "any" else getattr(self, who)
        if its + epoch > LAST:
            return
        answer, error = self.ask("InitProducerId", 5, {
            "transactionalId": self.name, "transactionTimeoutMs": 60000, "producerId": producer,
            "producerEpoch": its if who == "any" else its + epoch}, patient=PATIENCE - {51})
        self.tell(f"init {who} {epoch}", answer, error)

    def end(self, commit, who="old", epoch=0, version=5):
        producer, its = getattr(self, who)
        if its + epoch > LAST:
            return
        answer, error = self.ask("EndTxn", version, {
            "transactionalId": self.name, "committed": commit, "producerId": producer, "producerEpoch": its + epoch},
            patient=PATIENCE - {51})
        self.tell(f"end {commit} {who} {epoch} v{version}", answer, error)

    def add(self, who="now"):
        producer, epoch = getattr(self, who)
        answer, error = self.ask("AddPartitionsToTxn", 5, {"transactions": [{
            "transactionalId": self.name, "producerId": producer, "producerEpoch": epoch, "verifyOnly": False,
            "topics": [{"name": TOPIC, "partitions": [0]}]}]},
            lambda found: found["resultsByTransaction"][0]["topicResults"][0]["resultsByPartition"][0][
                "partitionErrorCode"], PATIENCE - {51})
        self.tell(f"add {who}", answer, error)

    def settle(self, *states):
        """Until it is in one of the states, or at rest; then its id and epoch count, too. A timeout at the last epoch
        brings the new id here when the client asks, with Apache Kafka at once."""
        for _ in range(2000):
            state = self.side.ask("DescribeTransactions", 0, {"transactionalIds": [self.name]})["transactionStates"][0]
            if state["errorCode"] == 0 and (state["transactionState"] in states if states else
                                            not state["transactionState"].startswith("Prepare")):
                break
            time.sleep(0.05)
        if states:
            self.told.append((state["transactionState"], state["errorCode"]))
        else:
            self.tell(state["transactionState"], state, state["errorCode"])


def anybody(story):
    for who, epoch in (("any", 0), ("old", 0), ("old", -1), ("old", 1), ("any", 0)):
        story.init(who, epoch)


def itself(story):
    for who, epoch in (("old", 0), ("old", 0), ("old", -1), ("old", 1), ("now", 0), ("old", 0), ("now", -1)):
        story.init(who, epoch)


def a_neighbour(story):
    for who, epoch in (("old", -1), ("old", 1), ("old", 0)):
        story.init(who, epoch)


def goes_on(story):
    story.init("old")
    story.add()
    for commit in (True, True, False):
        story.end(commit, "now")
        story.settle()
    story.init("now")


def aborted_by_anybody(story):
    story.init("any")
    story.settle()
    for who, epoch in (("old", 0), ("old", 1), ("any", 0), ("old", 0)):
        story.init(who, epoch)


def aborted_by_itself(story):
    story.init("old")
    story.settle()
    for who, epoch in (("old", 0), ("old", 0), ("old", 1), ("now", 0), ("any", 0)):
        story.init(who, epoch)


def ends(commit, version, *states):
    def story_of(story):
        story.end(commit, version=version)
        story.settle(*states)
        story.end(commit, version=version)
        story.end(not commit, version=version)
        for who, epoch in (("old", 0), ("old", 1), ("now", 0), ("old", 0)):
            story.init(who, epoch)
    return story_of


def takes_too_long(then):
    def story_of(story):
        story.settle("CompleteAbort")
        then(story)
        story.add()
    return story_of


def comes_back(story):
    for who, epoch in (("old", -1), ("old", 0), ("now", 0), ("old", 0)):
        story.init(who, epoch)


AT_REST = {"anybody": anybody, "itself": itself, "a neighbour": a_neighbour, "goes on": goes_on,
           "ends 5": ends(False, 5), "ends 4": ends(False, 4)}
OPEN = {"aborted by anybody": aborted_by_anybody, "aborted by itself": aborted_by_itself,
        "commits 5": ends(True, 5), "aborts 5": ends(False, 5), "commits 4": ends(True, 4), "aborts 4": ends(False, 4)}
LATE = {"itself": comes_back, "aborts": ends(False, 5), "commits": ends(True, 5, "CompleteAbort")}
LONG_MS = 900000


def stories():
    """(name, epoch, state, timeout, story)"""
    for epoch in (LAST - 2, LAST - 1, LAST):
        for state, word in ((EMPTY, "empty"), (COMPLETE_COMMIT, "complete")):
            for name, story in AT_REST.items():
                yield f"{word} at {epoch}, {name}", epoch, state, LONG_MS, story
        if epoch == LAST:
            continue  # nobody begins anything with it
        for name, story in OPEN.items():
            yield f"open at {epoch}, {name}", epoch, ONGOING, LONG_MS, story
    for name, story in LATE.items():
        yield f"late, {name}", LAST - 1, ONGOING, 1, takes_too_long(story)


def plant_all(side):
    for index, (name, epoch, state, timeout_ms, _) in enumerate(stories()):
        plant(side, name, OLD + index, epoch, state, timeout_ms)


class Told:
    """For the table of cases, in the place of a request's values."""

    def __init__(self, index, name, epoch, story):
        self.index, self.name, self.epoch, self.story = index, name, epoch, story

    def answers(self, side, version):
        story = Story(side, self.name, OLD + self.index, self.epoch)
        self.story(story)
        return [" ".join(map(str, line)) for line in story.told]


def plant_steps(apis):
    yield "fixture", "CreateTopics", {"topics": [topic(TOPIC)]}, [7]
    yield fixture(coordinators)
    yield fixture(plant_all)


def told_steps(apis):
    """Behind a start of both."""
    for index, (name, epoch, _, _, story) in enumerate(stories()):
        yield name, "InitProducerId", Told(index, name, epoch, story), [5]

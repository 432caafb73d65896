"""One broker as a sequence of requests meets it: names that are new each time, connections, and what the answers told
so far. A sequence is the same for both brokers; what it says of ids, epochs and offsets refers to what each has said:

    ~t0                 a topic, group or transactional id of this sequence
    $id:t0 $id:t0-1     the topic's id, that of the one before it
    $pid:x0 $epoch:x0+1 who InitProducerId made, and an epoch ahead
    $next:x0/t0/1       the sequence number that the partition waits for
    $end:t0/1-1 $start:t0/1 $stable:t0/1    offsets
    $member:g0/a $generation:g0/a           what JoinGroup told the member
    $at:c0/a            the epoch that a heartbeat told the member
    $session:s0 $turn:s0                    a fetch session and its next epoch
    $dir:0              a log directory

A dict with one key that begins with a dollar is made by the function of that name."""
import re
import select
import struct
import time

import batches
import sides
from codec import ZERO_ID
from groups import assignment, subscription
from topics import UNKNOWN_ID

STRANGER = 123456789
TOPICS = ("t0", "t1", "t2", "t3")  # the third is compacted, the fourth comes later
GROUPS = ("g0", "g1", "g2", "c0", "c1", "m0", "m1", "r0")
LATEST, EARLIEST = -1, -2
REFERENCE = re.compile(r"^\$(\w+):([\w/]+)([+-]\d+)?$")
EXPRESSION_SECONDS = 0.2  # longer than one takes to be resolved, where it is
PATIENT_STATES = ("PrepareCommit", "PrepareAbort", "PrepareEpochFence")
LOADING = 14
# Lists of everything that a broker has, and what names an item in them.
EVERYTHING = {("Metadata", "topics"): "name", ("ListGroups", "groups"): "groupId",
              ("ListTransactions", "transactionStates"): "transactionalId",
              ("DescribeTopicPartitions", "topics"): "name", ("ListConfigResources", "configResources"): "resourceName",
              ("ListPartitionReassignments", "topics"): "name", ("DescribeLogDirs", "topics"): "name"}


class Connection(sides.Side):
    def send(self, api, version, values):
        self.correlation_id += 1
        self.asked = api, version, values
        try:
            self.send_bytes(self.apis.request(api, version, self.correlation_id, values))
        except (ConnectionError, BrokenPipeError):
            self.close()

    def answer(self):
        data = self.answer_bytes()
        if isinstance(data, str):
            return data
        try:
            correlation_id, answer = self.apis.response(*self.asked[:2], data)
        except ValueError as error:
            return f"an answer that cannot be read: {error}"
        return answer if correlation_id == self.correlation_id else "an answer to something else"

    def ask_patiently(self, api, version, values):
        self.send(api, version, values)
        answer = self.receive_patiently()
        self.close()
        return answer

    def receive_patiently(self):
        """Apache Kafka fetches blocks of producer ids, and says so meanwhile."""
        answer = self.answer()
        while self.asked[0] == "InitProducerId" and isinstance(answer, dict) and answer["errorCode"] == LOADING:
            time.sleep(0.01)
            self.send(*self.asked)
            answer = self.answer()
        return answer

    def readable(self, seconds):
        return self.socket is None or bool(select.select([self.socket], [], [], seconds)[0])


class World(sides.Side):
    def __init__(self, side, prefix):
        super().__init__(side.apis, side.broker, side.port)
        self.prefix, self.is_apache = prefix, side.broker.peer == "apache"
        self.connections, self.known = {}, {}
        self.names = {}         # (kind, id) -> what it is called in comparisons
        self.began_ms = int(time.time() * 1000)

    def connection(self, name):
        return self.connections.setdefault(name, Connection(self.apis, self.broker, self.port))

    def end(self):
        """Leaves nothing that another sequence would meet."""
        for session, _ in [known for (kind, _), known in self.known.items() if kind == "session"]:
            self.ask("Fetch", 12, {"maxWaitMs": 0, "sessionId": session, "sessionEpoch": -1, "topics": []})
        self.ask("DeleteTopics", 5, {"topicNames": [self.prefix + name for name in TOPICS], "timeoutMs": 10000})
        for connection in [*self.connections.values(), self]:
            connection.close()

    # ---- what a request says ----

    def resolve(self, value):
        if isinstance(value, dict):
            (key, inner), *more = value.items() or [("", None)]
            if not more and key.startswith("$"):
                return getattr(self, f"make_{key[1:]}")(inner)
            return {key: self.resolve(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.resolve(item) for item in value]
        if not isinstance(value, str):
            return value
        found = REFERENCE.match(value)
        if found:
            kind, key, more = found.groups()
            return getattr(self, f"refer_{kind}")(key, int(more or 0))
        return value.replace("~", self.prefix)

    def refer_id(self, name, back):
        ids = self.known.get(("topic", name), [])
        return ids[back - 1] if len(ids) > -back else UNKNOWN_ID[:-2] + f"{TOPICS.index(name) if name in TOPICS else 9:02}"

    def producer(self, who):
        return self.known.get(("producer", who), (STRANGER + ord(who[-1]), 0))

    def refer_pid(self, who, more):
        return self.producer(who)[0] + more

    def refer_epoch(self, who, more):
        return max(-1, self.producer(who)[1] + more)

    def refer_next(self, key, more):
        who, name, index = key.split("/")
        found = self.ask("DescribeProducers", 0, {"topics": [
            {"name": self.prefix + name, "partitionIndexes": [int(index)]}]})
        for item in found["topics"][0]["partitions"][0]["activeProducers"]:
            if (item["producerId"], item["producerEpoch"]) == self.producer(who):
                return max(0, item["lastSequence"] + 1 + more)
        return max(0, more)

    def offset(self, key, timestamp, isolation=0):
        name, index = key.split("/")
        found = self.ask("ListOffsets", 4, {"replicaId": -1, "isolationLevel": isolation, "topics": [
            {"name": self.prefix + name, "partitions": [{"partitionIndex": int(index), "timestamp": timestamp}]}]})
        return max(0, found["topics"][0]["partitions"][0]["offset"])

    def refer_end(self, key, more):
        return self.offset(key, LATEST) + more

    def refer_start(self, key, more):
        return self.offset(key, EARLIEST) + more

    def refer_stable(self, key, more):
        return self.offset(key, LATEST, 1) + more

    def refer_member(self, key, _):
        return self.known.get(("member", key), "")

    def refer_generation(self, key, more):
        return self.known.get(("joined", key), {"generationId": -1})["generationId"] + more

    def refer_protocol(self, key, _):
        return self.known.get(("joined", key), {"protocolName": "range"})["protocolName"]

    def refer_at(self, key, more):
        return self.known.get(("at", key), 0) + more

    def refer_session(self, key, more):
        return self.known.get(("session", key), (0, 0))[0] + more

    def refer_turn(self, key, more):
        return self.known.get(("session", key), (0, 0))[1] + more

    def refer_dir(self, number, _):
        return f"{self.broker.directory}/{('data', 'other')[int(number)]}"

    def make_records(self, description):
        return batches.made(description, self.resolve)

    def make_time(self, after_ms):
        return batches.TIME + after_ms

    def make_cut(self, told):
        """Where to delete up to: with a transaction open to the start of a batch, since Apache Kafka takes that for what
        is stable even when the log starts behind it."""
        name, index, wanted = told
        offset, name, index = self.resolve(wanted), self.prefix + name, max(index, 0)
        found = self.ask("DescribeProducers", 0, {"topics": [{"name": name, "partitionIndexes": [index]}]})
        producers = found["topics"][0]["partitions"][0]["activeProducers"]
        if offset <= 0 or all(producer["currentTxnStartOffset"] < 0 for producer in producers):
            return offset
        found = self.ask("Fetch", 4, {"replicaId": -1, "maxWaitMs": 0, "maxBytes": 1 << 20, "topics": [
            {"topic": name, "partitions": [{"partition": index, "fetchOffset": offset, "partitionMaxBytes": 1 << 20}]}]})
        records = found["responses"][0]["partitions"][0]["records"]
        return batches.told(records, str)[0]["baseOffset"] if records else offset

    def make_subscription(self, names):
        return subscription(*[self.resolve(name) for name in names])

    def make_assignments(self, key):
        """Of a leader: a partition for each member. Nobody else has any."""
        joined = self.known.get(("joined", key))
        if not joined or joined["leader"] != joined["memberId"]:
            return []
        return [{"memberId": member["memberId"], "assignment": assignment(f"{self.prefix}t0", i)}
                for i, member in enumerate(sorted(joined["members"], key=lambda one: self.named("member", one["memberId"])))]

    def make_beat(self, told):
        """A heartbeat of a member of the consumer protocol: what it knows, or something next to that."""
        key, kind = told["key"], told["kind"]
        epoch = 0 if kind == "join" else self.known.get(("at", key), 0)
        instance = told["instance"]
        if epoch == 0 and instance is not None:
            # One that changes its instance has both in Apache Kafka, until a restart.
            instance = self.known.setdefault(("instance", key), instance)
        asked = {"groupId": self.prefix + key.split("/")[0], "memberId": self.prefix + key, "memberEpoch": epoch,
                 "instanceId": instance}
        everything = {"rebalanceTimeoutMs": 60000, "serverAssignor": told["assignor"],
                      "subscribedTopicNames": [self.prefix + name for name in told["names"]]}
        if told.get("expression"):
            everything.update({"subscribedTopicNames": [], "subscribedTopicRegex": self.prefix + told["expression"]})
        if kind in ("leave", "away"):
            return {**asked, "memberEpoch": -1 if kind == "leave" else -2}
        if kind in ("ahead", "behind"):
            asked["memberEpoch"] = epoch + 1 if kind == "ahead" else max(0, epoch - 1)
        if asked["memberEpoch"] == 0:
            return {**asked, **everything, "topicPartitions": []}
        if kind == "silent":
            return asked
        return {**asked, **(everything if told["changes"] else {}), "topicPartitions": self.known.get(("owned", key), [])}

    # ---- what an answer tells ----

    def call(self, kind, id_, name):
        count = sum(called.startswith(f"{name} #") for (one, _), called in self.names.items() if one == kind)
        self.names.setdefault((kind, id_), f"{name} #{count}")

    def named(self, kind, id_):
        return self.names.get((kind, id_), id_)

    def learn_answer(self, api, answer, keep):
        self.learn_topics(answer)
        learn = getattr(self, f"learn_{api}", None)
        if learn is not None and keep is not None and isinstance(answer, dict):
            learn(answer, keep)

    def learn_topics(self, answer):
        for item in answer.get("topics") or [] if isinstance(answer, dict) else []:
            id_, name = item.get("topicId", ZERO_ID), item.get("name")
            if id_ != ZERO_ID and name and name.startswith(self.prefix):
                ids = self.known.setdefault(("topic", name[len(self.prefix):]), [])
                if id_ not in ids:
                    ids.append(id_)
                    self.call("topic", id_, f"id of {name[len(self.prefix):]}")

    def learn_InitProducerId(self, answer, who):
        if answer["errorCode"] == 0:
            self.known["producer", who] = answer["producerId"], answer["producerEpoch"]
            self.call("producer", answer["producerId"], f"producer {who}")

    def learn_EndTxn(self, answer, who):
        if answer["errorCode"] == 0 and answer.get("producerId", -1) >= 0:
            self.learn_InitProducerId(answer, who)

    def learn_JoinGroup(self, answer, key):
        if answer["errorCode"] in (0, 79) and answer["memberId"]:
            self.known["member", key] = answer["memberId"]
            self.call("member", answer["memberId"], f"member {key}")
        if answer["errorCode"] == 0:
            self.known["joined", key] = answer

    def learn_ConsumerGroupHeartbeat(self, answer, key):
        alive = answer["errorCode"] == 0 and answer["memberEpoch"] > 0
        self.known["at", key] = answer["memberEpoch"] if alive else 0
        if alive and answer["assignment"] is not None:
            self.known["owned", key] = answer["assignment"]["topicPartitions"]
        elif not alive:
            self.known.pop(("owned", key), None)

    def learn_Fetch(self, answer, key):
        id_, turn = self.known.get(("session", key), (0, 0))
        if answer["errorCode"] != 0 or answer["sessionId"] == 0:
            return
        self.known["session", key] = answer["sessionId"], turn + 1 if answer["sessionId"] == id_ else 1
        self.call("session", answer["sessionId"], f"session {key}")

    # ---- until nothing goes on beside the requests ----

    def settle_metadata(self, count):
        """Apache Kafka's broker hears of what its controller has made only later. It takes up one change after the
        other, so once it tells of this one it is done with those before."""
        if self.is_apache:
            resource = {"resourceType": 2, "resourceName": "sequences"}
            self.ask("IncrementalAlterConfigs", 1, {"resources": [{**resource, "configs": [
                {"name": "retention.bytes", "configOperation": 0, "value": str(count)}]}]})
            self.until(lambda: self.ask("DescribeConfigs", 4, {"resources": [
                {**resource, "configurationKeys": ["retention.bytes"]}]})["results"][0]["configs"][0]["value"] == str(count))
        self.learn_topics(self.ask("Metadata", 12, {
            "topics": [{"name": self.prefix + name} for name in TOPICS], "allowAutoTopicCreation": False}))

    def pass_by(self):
        """What was sent on other connections has been taken up once this is answered."""
        for _ in range(2):
            self.ask("DescribeGroups", 5, {"groups": [self.prefix + group for group in GROUPS]})

    def settle_transaction(self, name):
        def settled():
            answer = self.ask("DescribeTransactions", 0, {"transactionalIds": [self.prefix + name]})
            return answer["transactionStates"][0]["transactionState"] not in PATIENT_STATES
        self.until(settled, may_stay=True)  # a marker of somebody else may have made its own impossible

    def settle_expression(self, answer, group):
        """An expression that is new is resolved aside, which gives the group another epoch; others wait for ten seconds."""
        is_new = self.known.setdefault(("expression", group), answer) is answer or answer["memberEpoch"] <= 2
        def resolved():
            found = self.ask("ConsumerGroupDescribe", 1, {"groupIds": [self.prefix + group]})["groups"][0]
            return found["errorCode"] != 0 or found["groupEpoch"] > answer["memberEpoch"]
        deadline = time.monotonic() + EXPRESSION_SECONDS
        while answer["errorCode"] == 0 and is_new and not resolved() and time.monotonic() < deadline:
            time.sleep(0.005)

    def until(self, condition, may_stay=False):
        for _ in range(3000):
            if condition():
                return
            time.sleep(0.001)
        if not may_stay:
            raise AssertionError(f"{self.broker.peer} does not come to rest: {condition.__qualname__}")

    # ---- what is compared ----

    def masked(self, api, answer, field=None):
        if isinstance(answer, list) and (api, field) in EVERYTHING:
            answer = [item for item in answer if self.of_this_sequence(item[EVERYTHING[api, field]])]
        if isinstance(answer, list) and (api, field) == ("DescribeLogDirs", "results"):
            found = [f"{topic['name']} {part}" for item in answer for topic in self.masked(api, item["topics"], "topics")
                     for part in topic["partitions"]]
            return {"errors": sorted(item["errorCode"] for item in answer), "partitions": sorted(found)}
        if field == "records" and isinstance(answer, bytes):
            return self.masked(api, batches.told(answer, lambda id_: self.named("producer", id_)))
        if field in ("assignment", "memberAssignment") and isinstance(answer, bytes):
            return super().masked(api, self.assigned(answer))
        if isinstance(answer, list) and all(isinstance(item, int) for item in answer):
            answer = sorted(answer)
        if isinstance(answer, str) and field == "errorMessage":
            for (kind, id_), name in self.names.items():
                answer = answer.replace(id_, name) if kind == "member" else answer
            answer = re.sub(r"member [\w-]{22}\b", "member UUID", answer)
        if field == "producerId":
            return self.named("producer", answer)
        if field == "topicId" and answer != ZERO_ID:
            return self.named("topic", answer)
        if field == "sessionId":
            return self.named("session", answer)
        if field in ("memberId", "leader") and isinstance(answer, str):
            return super().masked(api, self.named("member", answer), field).replace(self.prefix, "~")
        if isinstance(answer, int) and abs(answer - self.began_ms) < 300000:
            return "TIME"
        found = super().masked(api, answer, field)
        return found.replace(self.prefix, "~") if isinstance(found, str) else found

    def assigned(self, data):
        """What a classic member may read: in which order the topics stand means nothing."""
        found, at = [], 6
        try:
            for _ in range(struct.unpack(">i", data[2:6])[0]):
                size, = struct.unpack(">h", data[at:at + 2])
                name = data[at + 2:at + 2 + size].decode().replace(self.prefix, "~")
                count, = struct.unpack(">i", data[at + 2 + size:at + 6 + size])
                at += 6 + size + 4 * count
                found.append(f"{name}: {sorted(struct.unpack(f'>{count}i', data[at - 4 * count:at]))}")
        except struct.error:
            return data
        return [*sorted(found), data[at:]]

    def of_this_sequence(self, name):
        return not name or name.startswith(self.prefix) or " " in name

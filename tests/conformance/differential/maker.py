"""Makes sequences of requests from a seed: mostly what a client would say, with a bias to what is nearly right."""
import random

from data import EARLIEST, LATEST, LOCAL, MAX_TIMESTAMP, RECORDS, TIERED
from universe import GROUPS, STRANGER, TOPICS

PARTITIONS = 3
PRODUCERS = ("x0", "x1", "x2")   # transactional ids, too
IDEMPOTENT = ("i0", "i1")
CLASSIC, CONSUMER = GROUPS[:3], GROUPS[3:]
MEMBERS = ("a", "b", "c")
CONNECTIONS = ("one", "two")
SESSIONS = ("s0", "s1")
# As data.py has them; without what Apache Kafka forgets to answer, and what takes long to make.
BROKEN = tuple(label for label in RECORDS if label not in ("too large", "far future"))
PRODUCE_TIMEOUT_MS = 10000


class Maker:
    def __init__(self, seed, served):
        self.random, self.served = random.Random(seed), served

    @staticmethod
    def served_by(pair):
        """{api: versions that both serve}"""
        found = {}
        for side in pair:
            names = {side.apis.specs[f"{name}Request"]["apiKey"]: name for name in KINDS}
            for item in side.ask("ApiVersions", 4, {"clientSoftwareName": "a", "clientSoftwareVersion": "1"})["apiKeys"]:
                name = names.get(item["apiKey"])
                if name is not None:
                    versions = set(range(item["minVersion"], item["maxVersion"] + 1)) & set(side.apis.versions(name))
                    found[name] = found.get(name, versions) & versions
        return {name: sorted(versions) for name, versions in found.items() if versions}

    def sequence(self, count):
        kinds = [name for name in KINDS if name in self.served]
        weights = [KINDS[name] for name in kinds]
        steps = [self.step("CreateTopics", self.first_topics())]
        while len(steps) < count:
            if self.chance(0.01):
                steps.append((self.one(*CONNECTIONS), "close"))
            else:
                steps.append(self.step(self.random.choices(kinds, weights)[0]))
        return steps

    def step(self, api, values=None):
        version = self.random.choice(self.served[api])
        made = values or getattr(self, f"make_{api}")(version)
        values, *more = made if isinstance(made, tuple) else (made,)
        keep, connection = (*more, *(None, self.one(*CONNECTIONS))[len(more):])
        return connection, api, version, values, keep

    # ---- choices ----

    def chance(self, probability):
        return self.random.random() < probability

    def one(self, *choices):
        return self.random.choice(choices)

    def mostly(self, good, *corners, probability=0.85):
        return good if self.chance(probability) else self.one(*corners)

    def some(self, choices, most=2):
        return self.random.sample(choices, self.random.randint(1, min(most, len(choices))))

    def topic(self):
        return self.mostly(self.one(*TOPICS[:3]), TOPICS[3], "nowhere", probability=0.93)

    def topics(self):
        names = self.some(TOPICS[:3])
        return [self.topic()] if self.chance(0.2) else names

    def partition(self):
        return self.mostly(self.random.randrange(PARTITIONS), PARTITIONS, -1, 77, probability=0.95)

    def partitions(self):
        return sorted({self.partition() for _ in range(self.one(1, 1, 2, 3))})

    def named(self, topic, field="name"):
        """By name, and by id in the versions that have it: mostly the one that the name has now."""
        return {field: f"~{topic}", "topicId": self.mostly(f"$id:{topic}", f"$id:{topic}-1", f"$id:{topic}-9", probability=0.95)}

    def offset(self, topic, partition):
        key = f"{topic}/{max(partition, 0)}"
        return self.one(f"$end:{key}", f"$start:{key}", f"$end:{key}-1", f"$start:{key}+1", f"$end:{key}+1",
                        f"$start:{key}-1", f"$stable:{key}", 0, 2)

    def leader_epoch(self):
        return self.mostly(-1, 0, 0, 1, probability=0.6)

    def who(self, *names):
        who = self.one(*names)
        epoch = self.mostly(f"$epoch:{who}", f"$epoch:{who}+1", f"$epoch:{who}-1", 0, probability=0.9)
        return who, {"producerId": self.mostly(f"$pid:{who}", STRANGER, probability=0.97), "producerEpoch": epoch}

    # ---- topics ----

    def first_topics(self):
        return {"topics": [self.new_topic(name) for name in TOPICS[:3]], "timeoutMs": 30000}

    def new_topic(self, name, **more):
        configs = [{"name": "cleanup.policy", "value": "compact"}] if name == TOPICS[2] else []
        return {"name": f"~{name}", "numPartitions": PARTITIONS, "replicationFactor": 1, "assignments": [],
                "configs": configs, **more}

    def make_CreateTopics(self, version):
        made = [self.new_topic(name, numPartitions=self.mostly(PARTITIONS, 1, 0, -1, 5),
                               replicationFactor=self.mostly(1, -1, 2, 0))
                for name in self.some(TOPICS + ("nowhere",))]
        for item in made:
            if item["name"] == "~nowhere":
                item["name"] = self.one("", "bad name", "~" + "n" * 250)
            if self.chance(0.1):
                item.update({"numPartitions": -1, "replicationFactor": -1, "assignments": [
                    {"partitionIndex": index, "brokerIds": [self.mostly(1, 7)]}
                    for index in range(self.one(1, PARTITIONS))]})
        return {"topics": made, "timeoutMs": 30000, "validateOnly": self.chance(0.1)}

    def make_DeleteTopics(self, version):
        names = self.some(TOPICS, 2)
        by_id = self.chance(0.5)
        return {"topicNames": [f"~{name}" for name in names], "timeoutMs": 30000, "topics": [
            {"name": None, "topicId": self.named(name)["topicId"]} if by_id else {"name": f"~{name}"} for name in names]}

    def make_CreatePartitions(self, version):
        return {"topics": [{"name": f"~{name}", "count": self.one(PARTITIONS, PARTITIONS + 1, PARTITIONS + 1, 2, 0),
                            "assignments": self.mostly(None, [{"brokerIds": [1]}], [{"brokerIds": [9]}])}
                           for name in self.topics()], "timeoutMs": 30000, "validateOnly": self.chance(0.2)}

    def make_Metadata(self, version):
        topics = [{"name": f"~{name}"} for name in self.topics()]
        if version >= 10 and self.chance(0.3):
            topics = [{"name": None, "topicId": self.named(name)["topicId"]} for name in self.topics()]
        return {"topics": None if version >= 1 and self.chance(0.2) else topics,
                "allowAutoTopicCreation": self.chance(0.5), "includeTopicAuthorizedOperations": self.chance(0.3),
                "includeClusterAuthorizedOperations": self.chance(0.3)}

    # ---- records ----

    def batch(self, who, transactional, topic, partition):
        if self.chance(0.08):
            return {"$records": {"like": self.one(*BROKEN)}}
        keyed = self.chance(0.9) if topic == TOPICS[2] else self.chance(0.3)
        made = {"values": [[self.one("k", "l") if keyed else None, "v" * self.one(1, 1, 9, 40)]
                           for _ in range(self.one(1, 2, 3))],
                "codec": self.one(0, 0, 0, 1, 2, 3, 4), "after_ms": self.mostly(0, 1000, -5000, 7)}
        if who is not None:
            _, asked = self.who(who)
            key = f"$next:{who}/{topic}/{max(partition, 0)}"
            made.update({"producer": asked["producerId"], "epoch": asked["producerEpoch"],
                         "sequence": self.mostly(key, f"{key}-1", f"{key}-2", f"{key}+1", f"{key}+7", 0),
                         "transactional": self.mostly(transactional, not transactional, probability=0.95)})
        return {"$records": made}

    def make_Produce(self, version):
        who = self.one(None, None, *PRODUCERS, *IDEMPOTENT)
        transactional = who in PRODUCERS and self.chance(0.9)
        data = [{**self.named(topic), "partitionData": [
            {"index": index, "records": self.batch(who, transactional, topic, index)} for index in self.partitions()]}
            for topic in self.topics()]
        return {"transactionalId": self.mostly(f"~{who}" if transactional else None, None, "~x1", probability=0.95),
                "acks": self.mostly(self.one(-1, -1, 1), 0, 2, probability=0.95), "timeoutMs": PRODUCE_TIMEOUT_MS,
                "topicData": data}

    def fetched(self, topics):
        return [{**self.named(topic, "topic"), "partitions": [
            {"partition": index, "fetchOffset": self.offset(topic, index), "currentLeaderEpoch": self.leader_epoch(),
             "lastFetchedEpoch": self.mostly(-1, 0, 1, probability=0.9),
             "partitionMaxBytes": self.mostly(1 << 20, 0, 1, 150, probability=0.9)} for index in self.partitions()]}
            for topic in topics]

    def make_Fetch(self, version):
        asked = {"maxWaitMs": 0, "minBytes": self.one(0, 1), "maxBytes": self.mostly(1 << 20, 0, 1, 200, probability=0.9),
                 "isolationLevel": self.one(0, 1), "topics": self.fetched(self.topics())}
        if self.chance(0.1):
            return {**asked, "maxWaitMs": 60000, "minBytes": self.one(1, 1, 300)}, None, self.one("wait one", "wait two")
        if version < 7 or self.chance(0.4):
            return asked
        session = self.one(*SESSIONS)
        if self.chance(0.3):
            return {**asked, "sessionId": self.mostly(0, f"$session:{session}"), "sessionEpoch": 0}, session
        forgotten = [{**self.named(topic, "topic"), "partitions": self.partitions()} for topic in self.topics()] \
            if self.chance(0.2) else []
        turn = self.mostly(f"$turn:{session}", f"$turn:{session}+1", f"$turn:{session}-1", -1, probability=0.9)
        return {**asked, "sessionId": self.mostly(f"$session:{session}", 12345, probability=0.95), "sessionEpoch": turn,
                "topics": asked["topics"] if self.chance(0.5) else [], "forgottenTopicsData": forgotten}, session

    def make_ListOffsets(self, version):
        return {"replicaId": -1, "isolationLevel": self.one(0, 1), "topics": [{"name": f"~{topic}", "partitions": [
            {"partitionIndex": index, "currentLeaderEpoch": self.leader_epoch(), "timestamp": self.one(
                LATEST, EARLIEST, MAX_TIMESTAMP, LOCAL, TIERED, {"$time": self.one(0, 1, -5001, 8)})}
            for index in self.partitions()]} for topic in self.topics()], "timeoutMs": 10000}

    def make_DeleteRecords(self, version):
        return {"timeoutMs": 10000, "topics": [{"name": f"~{topic}", "partitions": [
            {"partitionIndex": index, "offset": self.mostly(self.offset(topic, index), -1)}
            for index in self.partitions()]} for topic in self.topics()]}

    def make_OffsetForLeaderEpoch(self, version):
        return {"replicaId": -1, "topics": [{"topic": f"~{topic}", "partitions": [
            {"partition": index, "currentLeaderEpoch": self.leader_epoch(), "leaderEpoch": self.one(0, 0, 1, -1, 9)}
            for index in self.partitions()]} for topic in self.topics()]}

    # ---- producers and their transactions ----

    def make_InitProducerId(self, version):
        who = self.one(*PRODUCERS, *IDEMPOTENT)
        asked = {"transactionalId": f"~{who}" if who in PRODUCERS else None,
                 "transactionTimeoutMs": self.mostly(60000, 0, 900001, probability=0.97)}
        if self.chance(0.3):
            asked.update(self.who(who)[1])
        return asked, who


KINDS = {"Produce": 25, "Fetch": 20, "ListOffsets": 8, "Metadata": 5, "DeleteRecords": 4, "OffsetForLeaderEpoch": 3,
         "CreateTopics": 6, "DeleteTopics": 2, "CreatePartitions": 2, "InitProducerId": 8}

"""Random requests that write, read and find records."""
from choices import IDEMPOTENT, PRODUCERS, SESSIONS, Choices
from data import EARLIEST, LATEST, LOCAL, MAX_TIMESTAMP, RECORDS, TIERED
from universe import TOPICS

# As data.py has them; without what takes long to make, and what is of another time.
BROKEN = tuple(label for label in RECORDS if label not in ("too large", "far future"))
PRODUCE_TIMEOUT_MS = 10000
WAIT_MS = 60000  # longer than a sequence: who waits is answered by what happens, or not at all


class Records(Choices):
    def batch(self, who, transactional, topic, partition):
        if self.chance(0.08):
            return {"$records": {"like": self.one(*BROKEN)}}
        keyed = self.chance(0.9) if topic == TOPICS[2] else self.chance(0.3)
        made = {"values": [[self.one("k", "l") if keyed else None, "v" * self.one(1, 1, 9, 40)]
                           for _ in range(self.one(1, 2, 3))],
                "codec": self.one(0, 0, 0, 1, 2, 3, 4), "after_ms": self.mostly(0, 1000, -5000, 7, -7200000, 3000000, 5000000)}
        if who is not None:
            transactional = self.mostly(transactional, not transactional, probability=0.95)
            # Behind records of a later epoch, Apache Kafka gives the markers of its own up, and the transaction stays.
            _, asked = self.who(who, ahead=transactional)
            key = f"$next:{who}/{topic}/{max(partition, 0)}"
            made.update({"producer": asked["producerId"], "epoch": asked["producerEpoch"],
                         "sequence": self.mostly(key, f"{key}-1", f"{key}-2", f"{key}+1", f"{key}+7", 0),
                         "transactional": transactional})
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
             "lastFetchedEpoch": self.mostly(-1, 0, 1, 5, probability=0.9),
             "partitionMaxBytes": self.mostly(1 << 20, 0, 1, 150, probability=0.9)} for index in self.partitions()]}
            for topic in topics]

    def make_Fetch(self, version):
        asked = {"maxWaitMs": 0, "minBytes": self.one(0, 1), "maxBytes": self.mostly(1 << 20, 0, 1, 200, probability=0.9),
                 "isolationLevel": self.one(0, 1), "topics": self.fetched(self.topics())}
        if self.chance(0.1):
            return {**asked, "maxWaitMs": WAIT_MS, "minBytes": self.one(1, 1, 300)}, None, self.one("wait one", "wait two")
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
                LATEST, EARLIEST, MAX_TIMESTAMP, LOCAL, TIERED, -6, -7, {"$time": self.one(0, 1, -5001, 8, 1001, -8000000)})}
            for index in self.partitions()]} for topic in self.topics()], "timeoutMs": 10000}

    def make_DeleteRecords(self, version):
        return {"timeoutMs": 10000, "topics": [{"name": f"~{topic}", "partitions": [
            {"partitionIndex": index, "offset": self.mostly({"$cut": [topic, index, self.offset(topic, index)]}, -1)}
            for index in self.partitions()]} for topic in self.topics()]}

    def make_OffsetForLeaderEpoch(self, version):
        return {"replicaId": -1, "topics": [{"topic": f"~{topic}", "partitions": [
            {"partition": index, "currentLeaderEpoch": self.leader_epoch(), "leaderEpoch": self.one(0, 0, 1, -1, 9)}
            for index in self.partitions()]} for topic in self.topics()]}

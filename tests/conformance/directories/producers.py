"""Producers whose ids, epochs and sequences the test chooses: raw Produce requests."""
import time

import harness
import wirecodec as wire

PRODUCE = 9
COORDINATOR_LOADING, COORDINATOR_AWAY = 14, 15
CONCURRENT_TRANSACTIONS = 51
OUT_OF_ORDER_SEQUENCE, INVALID_PRODUCER_EPOCH = 45, 47
STAMP_MS = int(time.time() * 1000) - 60000
TRANSACTIONAL = 0x10
TIMEOUT_MS = 600000
BUSY = (COORDINATOR_LOADING, COORDINATOR_AWAY, CONCURRENT_TRANSACTIONS)


def produce(side, topic, partition, records, transactional_id=None):
    """(error, base offset)"""
    answer = side.ask("Produce", PRODUCE, {
        "transactionalId": transactional_id, "acks": -1, "timeoutMs": 10000, "topicData": [
            {"name": topic, "partitionData": [{"index": partition, "records": records}]}]})
    found = answer["responses"][0]["partitionResponses"][0]
    return found["errorCode"], found["baseOffset"]


def until_ready(side, api, version, values):
    """Asks until the coordinator is there and idle."""
    def once():
        answer = side.ask(api, version, values)
        return None if isinstance(answer, str) or answer.get("errorCode") in BUSY else answer
    return harness.wait_for(once, what=f"{api} to be served")


def expect(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {got}, not {wanted}")


class Idempotent:
    """One producer on one partition of topic `sequence`, through all changes of the broker."""

    def __init__(self, side, partition):
        self.partition = partition
        answer = until_ready(side, "InitProducerId", 4, {
            "transactionalId": None, "transactionTimeoutMs": TIMEOUT_MS, "producerId": -1,
            "producerEpoch": -1})
        expect("InitProducerId", answer["errorCode"], 0)
        self.id, self.epoch, self.sequence = answer["producerId"], answer["producerEpoch"], 0
        self.last = None
        for _ in range(3):
            self.send(side)

    def batch(self, sequence, count, epoch):
        values = [f"sequence-{sequence + i}".encode() for i in range(count)]
        return wire.batch(values, self.id, epoch, sequence, STAMP_MS + sequence)

    def send(self, side, count=2):
        records = self.batch(self.sequence, count, self.epoch)
        error, base = produce(side, "sequence", self.partition, records)
        expect(f"sequence {self.sequence} of producer {self.id}", error, 0)
        self.sequence += count
        self.last = (records, base)

    def goes_on(self, side):
        """A retry, a gap and an old epoch are told apart, and the next batch is taken."""
        records, base = self.last
        again = produce(side, "sequence", self.partition, records)
        expect("the last batch again", again, (0, base))
        gap = self.batch(self.sequence + 5, 1, self.epoch)
        expect("a gap", produce(side, "sequence", self.partition, gap)[0], OUT_OF_ORDER_SEQUENCE)
        if self.epoch > 0:
            old = self.batch(self.sequence, 1, self.epoch - 1)
            expect("an old epoch", produce(side, "sequence", self.partition, old)[0],
                   INVALID_PRODUCER_EPOCH)
        self.send(side)

    def next_epoch(self, side):
        self.epoch, self.sequence = self.epoch + 1, 0
        self.send(side)


class OpenTransaction:
    """Begun with one broker, finished with another."""

    def __init__(self, side, transactional_id):
        self.id = transactional_id
        until_ready(side, "FindCoordinator", 3, {"key": self.id, "keyType": 1})
        answer = until_ready(side, "InitProducerId", 4, {
            "transactionalId": self.id, "transactionTimeoutMs": TIMEOUT_MS, "producerId": -1,
            "producerEpoch": -1})
        expect("InitProducerId", answer["errorCode"], 0)
        self.producer = answer["producerId"], answer["producerEpoch"]
        added = until_ready(side, "AddPartitionsToTxn", 3, {
            "v3AndBelowTransactionalId": self.id, "v3AndBelowProducerId": self.producer[0],
            "v3AndBelowProducerEpoch": self.producer[1],
            "v3AndBelowTopics": [{"name": "transactions", "partitions": [0, 1]}]})
        codes = {part["partitionErrorCode"] for topic in added["resultsByTopicV3AndBelow"]
                 for part in topic["resultsByPartition"]}
        expect("AddPartitionsToTxn", codes, {0})
        for partition in (0, 1):
            records = wire.batch([b"open-0", b"open-1"], *self.producer, 0, STAMP_MS,
                                 TRANSACTIONAL)
            error, _ = produce(side, "transactions", partition, records, self.id)
            expect("a record of the open transaction", error, 0)

    def commit(self, side):
        answer = until_ready(side, "EndTxn", 3, {
            "transactionalId": self.id, "producerId": self.producer[0],
            "producerEpoch": self.producer[1], "committed": True})
        expect("EndTxn", answer["errorCode"], 0)

    def abort(self, side):
        """As a producer that starts again with the same id."""
        answer = until_ready(side, "InitProducerId", 4, {
            "transactionalId": self.id, "transactionTimeoutMs": TIMEOUT_MS, "producerId": -1,
            "producerEpoch": -1})
        expect("InitProducerId", answer["errorCode"], 0)

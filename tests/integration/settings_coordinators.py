#!/usr/bin/env python3
"""Settings of the coordinators of groups and transactions: each is set, and then looked for in an answer, or in
what the coordinator writes. The same holds for Apache Kafka (PEER=apache), but where it is said."""
import contextlib
import pathlib
import re
import struct
import time

import harness
import wirecodec as wire
from transactions import Wire, check, produced, single

OFFSET_METADATA_TOO_LARGE, INVALID_SESSION_TIMEOUT, UNSUPPORTED_VERSION, UNSUPPORTED_ASSIGNOR = 12, 26, 35, 112
INVALID_TRANSACTION_TIMEOUT, NOT_AUTHORIZED, ID_NOT_FOUND, ABORTABLE = 50, 53, 105, 120
NONE, GZIP = 0, 1
TRANSACTIONAL = 0x10
ONE_PARTITION = ("offsets.topic.num.partitions=1", "transaction.state.log.num.partitions=1")


@contextlib.contextmanager
def serving(*overrides):
    """A broker with the topic t and a connection to it, once it coordinates groups and transactions."""
    broker = harness.own_broker(overrides=[*ONE_PARTITION, *overrides])
    try:
        broker.start()
        connection = Wire(broker.port)
        connection.connection.create_topic("t")
        for kind in (0, 1):  # groups, transactions
            harness.wait_for(lambda kind=kind: connection.ask("FindCoordinator", 4, {
                "keyType": kind, "coordinatorKeys": ["g"]})["coordinators"][0]["errorCode"] == 0, what="a coordinator")
        harness.wait_for(lambda: commit(connection, "first", 0) == 0, what="the groups to be loaded")
        yield broker, connection
        connection.close()
        broker.end_in_order()
    finally:
        broker.remove()


def commit(connection, group, offset, version=7, metadata="", **more):
    """The error of a commit for the topic."""
    answer = connection.ask("OffsetCommit", version, {
        "groupId": group, "memberId": "", "generationIdOrMemberEpoch": -1, **more, "topics": [{
            "name": "t", "partitions": [{"partitionIndex": 0, "committedOffset": offset,
                                         "committedMetadata": metadata}]}]})
    return answer["topics"][0]["partitions"][0]["errorCode"]


def committed_offset(connection, group):
    answer = connection.ask("OffsetFetch", 8, {"groups": [{"groupId": group, "topics": [
        {"name": "t", "partitionIndexes": [0]}]}]})
    return answer["groups"][0]["topics"][0]["partitions"][0]["committedOffset"]


def join(connection, group, session_ms=10000, version=3):
    """The first JoinGroup of a member; the last version that needs no member id is 3."""
    return connection.ask("JoinGroup", version, {
        "groupId": group, "sessionTimeoutMs": session_ms, "rebalanceTimeoutMs": 60000, "memberId": "",
        "protocolType": "consumer", "protocols": [{"name": "range", "metadata": b""}]})


def sessions_have_the_bounds_that_were_set():
    with serving("group.min.session.timeout.ms=2000", "group.max.session.timeout.ms=3000") as (_, connection):
        for session_ms, error in ((1999, INVALID_SESSION_TIMEOUT), (2000, 0), (3000, 0),
                                  (3001, INVALID_SESSION_TIMEOUT)):
            check(join(connection, f"g{session_ms}", session_ms)["errorCode"], error, f"a session of {session_ms}")


def the_first_rebalance_waits_as_long_as_was_set(delay_ms=1500):
    with serving(f"group.initial.rebalance.delay.ms={delay_ms}") as (_, connection):
        began = time.monotonic()
        check(join(connection, "g")["errorCode"], 0, "JoinGroup")
        check(time.monotonic() - began >= delay_ms / 1000, True, "the first member waits")
    with serving("group.initial.rebalance.delay.ms=0") as (_, connection):
        groups = iter("abc")
        joined = harness.soon(delay_ms / 1000, lambda: join(connection, next(groups)), "a first member without a delay")
        check(joined["errorCode"], 0, "JoinGroup")


def a_rebalance_of_a_classic_group_is_told():
    """One line a generation: who began it, how long it took, how many partitions moved."""
    if harness.PEER == "apache":
        raise harness.Skip("its log is another one")
    with serving() as (broker, connection):
        joined = join(connection, "g")
        assigned = struct.pack(">hihi", 0, 1, 1, 0x74 << 24)[:9] + struct.pack(">iiii", 2, 0, 1, -1)
        check(connection.ask("SyncGroup", 3, {
            "groupId": "g", "generationId": joined["generationId"], "memberId": joined["memberId"],
            "assignments": [{"memberId": joined["memberId"], "assignment": assigned}]})["errorCode"], 0, "SyncGroup")
        told = harness.wait_for(lambda: re.findall(
            r'^rebalance group="g" generation=1 trigger="([^"]*)" took_ms=\d+ members=1 partitions_moved=2$',
            broker.log(), re.M), what=f"the line in {broker.log()}")
        check((len(told), joined["memberId"] in told[0]), (1, True), f"who began it: {told}")


def metadata_of_a_commit_is_as_long_as_was_set():
    with serving("offset.metadata.max.bytes=5") as (_, connection):
        check(commit(connection, "g", 1, metadata="12345"), 0, "five bytes")
        check(commit(connection, "g", 2, metadata="123456"), OFFSET_METADATA_TOO_LARGE, "six bytes")
        check(committed_offset(connection, "g"), 1, "the offset")


def offsets_expire_when_it_is_looked_for():
    """A commit that says for itself how long it counts, which clients could until version 4."""
    with serving("offsets.retention.check.interval.ms=200") as (_, connection):
        check(commit(connection, "short", 1, version=4, retentionTimeMs=300), 0, "a commit")
        check(commit(connection, "long", 1, version=4, retentionTimeMs=600000), 0, "another")
        harness.wait_for(lambda: committed_offset(connection, "short") == -1, what="the offset to expire")
        check(committed_offset(connection, "long"), 1, "the one that counts for longer")


def consumer_offsets_are_compressed_as_was_set():
    def codecs(*overrides):
        with serving(*overrides) as (broker, connection):
            check(commit(connection, "g", 1, metadata="m" * 2000), 0, "a commit")
            data = pathlib.Path(broker.directory, "data/__consumer_offsets-0", "0" * 20 + ".log").read_bytes()
            at, found = 0, set()
            while at + 23 <= len(data) and data[at + 8:at + 12] != bytes(4):
                found.add(struct.unpack(">h", data[at + 21:at + 23])[0] & 7)
                at += struct.unpack(">i", data[at + 8:at + 12])[0] + 12
            return found
    check(codecs(), {NONE}, "the codecs of batches")
    check(codecs("offsets.topic.compression.codec=1"), {GZIP}, "the codecs with gzip")


def an_assignor_that_was_not_named_is_refused():
    with serving("group.consumer.assignors=range") as (_, connection):
        for assignor, error in (("uniform", UNSUPPORTED_ASSIGNOR), ("range", 0), (None, 0)):
            answer = connection.ask("ConsumerGroupHeartbeat", 1, {
                "groupId": f"g-{assignor}", "memberId": "m", "memberEpoch": 0, "rebalanceTimeoutMs": 60000,
                "serverAssignor": assignor, "subscribedTopicNames": ["t"], "topicPartitions": []})
            check(answer["errorCode"], error, f"the assignor {assignor}")


# ---- transactions ----

def begin(connection, name, version=5, timeout_ms=60000, **more):
    return connection.patiently("InitProducerId", version, {
        "transactionalId": name, "transactionTimeoutMs": timeout_ms, "producerId": -1, "producerEpoch": -1,
        **more}, single)


def produce(connection, producer_id=-1, epoch=-1, name=None):
    """The error of an older client's Produce of one record."""
    records = wire.batch([b"x"], producer_id, epoch, 0, int(time.time() * 1000), TRANSACTIONAL if name else 0)
    answer = connection.patiently("Produce", 11, {
        "transactionalId": name, "acks": -1, "timeoutMs": 10000, "topicData": [
            {"name": "t", "partitionData": [{"index": 0, "records": records}]}]}, produced)
    return produced(answer)[0]


def state_error(connection, name):
    return connection.ask("DescribeTransactions", 0, {
        "transactionalIds": [name]})["transactionStates"][0]["errorCode"]


def a_timeout_of_transactions_is_as_long_as_was_set():
    with serving("transaction.max.timeout.ms=5000") as (_, connection):
        check(begin(connection, "t", timeout_ms=5001)["errorCode"], INVALID_TRANSACTION_TIMEOUT, "too long")
        check(begin(connection, "t", timeout_ms=5000)["errorCode"], 0, "the longest")


def transactional_ids_that_are_not_used_go():
    quick = "transaction.remove.expired.transaction.cleanup.interval.ms=200"

    def go_after(expiration_ms):
        with serving(f"transactional.id.expiration.ms={expiration_ms}", quick) as (_, connection):
            check(begin(connection, "t")["errorCode"], 0, "InitProducerId")
            check(state_error(connection, "t"), 0, "the new id")
            harness.wait_for(lambda: state_error(connection, "t") == ID_NOT_FOUND, what="the id to go")
    harness.unhurried(go_after, 1000, 20000)
    with serving(quick) as (_, connection):
        check(begin(connection, "t")["errorCode"], 0, "InitProducerId")
        time.sleep(1.5)  # nothing is to come
        check(state_error(connection, "t"), 0, "an id that may rest for a week")


def producers_that_write_no_more_are_forgotten():
    def active(connection):
        answer = connection.ask("DescribeProducers", 0, {"topics": [{"name": "t", "partitionIndexes": [0]}]})
        return len(answer["topics"][0]["partitions"][0]["activeProducers"])
    quick = "producer.id.expiration.check.interval.ms=100"

    def written(expiration_ms, left):
        with serving(quick, f"producer.id.expiration.ms={expiration_ms}") as (_, connection):
            answer = begin(connection, None)
            check(produce(connection, answer["producerId"], answer["producerEpoch"]), 0, "Produce")
            check(active(connection), 1, "producers")
            time.sleep(0 if left == 0 else 1)  # nothing is to come
            harness.wait_for(lambda: active(connection) == left, what=f"{left} producers")
    harness.unhurried(lambda expiration_ms: written(expiration_ms, 0), 500, 20000)
    written(600000, 1)


def partitions_are_verified_unless_told_otherwise():
    """An older client writes to a partition that is not in its transaction; also when that is altered."""
    name = "transaction.partition.verification.enable"
    for value, error in (("true", ABORTABLE), ("false", 0)):
        with serving(f"{name}={value}") as (_, connection):
            answer = begin(connection, "id", version=4)
            check(produce(connection, answer["producerId"], answer["producerEpoch"], "id"), error,
                  f"Produce, verification {value}")
    with serving() as (_, connection):
        answer = begin(connection, "id", version=4)
        altered = connection.ask("IncrementalAlterConfigs", 1, {"resources": [{
            "resourceType": 4, "resourceName": "", "configs": [{"name": name, "configOperation": 0, "value": "false"}]}]})
        check(altered["responses"][0]["errorCode"], 0, "it is altered")
        harness.wait_for(lambda: produce(connection, answer["producerId"], answer["producerEpoch"], "id") == 0,
                         what="what is not verified any more")


def two_phases_are_behind_their_switches():
    """Unstable versions are served when asked for, and transactions of two phases (KIP-939) where both are."""
    def highest(connection):
        return next(api["maxVersion"] for api in connection.ask("ApiVersions", 3, {
            "clientSoftwareName": "a", "clientSoftwareVersion": "1"})["apiKeys"] if api["apiKey"] == 22)
    with serving() as (_, connection):
        check(highest(connection), 5, "the highest InitProducerId")
    unstable = "unstable.api.versions.enable=true"
    with serving(unstable) as (_, connection):
        check(highest(connection), 6, "the highest InitProducerId that is unstable")
        check(begin(connection, "t", 6)["errorCode"], 0, "without two phases")
        check(begin(connection, "t", 6, enable2Pc=True)["errorCode"], NOT_AUTHORIZED, "with two phases")
    with serving(unstable, "transaction.two.phase.commit.enable=true",
                 "transaction.abort.timed.out.transaction.cleanup.interval.ms=100") as (_, connection):
        check(begin(connection, "t", 6, keepPreparedTxn=True)["errorCode"], UNSUPPORTED_VERSION, "kept transactions")
        check(begin(connection, "t", 6, timeout_ms=1, enable2Pc=True)["errorCode"], 0, "two phases")
        told = connection.ask("DescribeTransactions", 0, {"transactionalIds": ["t"]})["transactionStates"][0]
        check(told["transactionTimeoutMs"], (1 << 31) - 1, "its timeout")


CASES = (
    sessions_have_the_bounds_that_were_set, the_first_rebalance_waits_as_long_as_was_set,
    a_rebalance_of_a_classic_group_is_told, metadata_of_a_commit_is_as_long_as_was_set,
    offsets_expire_when_it_is_looked_for, consumer_offsets_are_compressed_as_was_set,
    an_assignor_that_was_not_named_is_refused, a_timeout_of_transactions_is_as_long_as_was_set,
    transactional_ids_that_are_not_used_go, producers_that_write_no_more_are_forgotten,
    partitions_are_verified_unless_told_otherwise, two_phases_are_behind_their_switches)

if __name__ == "__main__":
    harness.run([(f"settings__{case.__name__}", case) for case in CASES])

"""kafka-transactions, with a transaction that is open, one that is done, one that hangs, and an id that has none."""
import pathlib
import sys
import time

from table import lines

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "differential"))

PATIENCE = {3, 6, 14, 15, 16, 51}  # while leaders and the coordinator are found and load, and markers are written
CONCURRENT, ABORTABLE, HOUR_MS = 51, 120, 3600000


def make_state(broker):
    """The same on either side, by the protocol."""
    import codec
    import harness
    import sides
    import wirecodec as wire
    side = sides.Side(codec.Apis(harness.peer("java") / "lib"), broker)

    def patiently(api, version, values, error):
        for _ in range(2000):
            answer = side.ask(api, version, values)
            if error(answer) not in PATIENCE:
                assert error(answer) == 0, answer
                return answer
            time.sleep(0.05)
        raise AssertionError(answer)

    patiently("CreateTopics", 7, {"topics": [{"name": "txn-tool", "numPartitions": 2,
                                              "replicationFactor": 1}], "timeoutMs": 9000},
              lambda answer: answer["topics"][0]["errorCode"])
    patiently("FindCoordinator", 4, {"keyType": 1, "coordinatorKeys": ["fresh"]},
              lambda answer: answer["coordinators"][0]["errorCode"])
    for name in ("fresh", "done", "open"):
        told = patiently("InitProducerId", 5, {
            "transactionalId": name, "transactionTimeoutMs": 600000, "producerId": -1,
            "producerEpoch": -1}, lambda answer: answer["errorCode"])
        if name == "fresh":
            continue
        who = {"producerId": told["producerId"], "producerEpoch": told["producerEpoch"]}
        patiently("AddPartitionsToTxn", 5, {"transactions": [
            {"transactionalId": name, **who, "verifyOnly": False,
             "topics": [{"name": "txn-tool", "partitions": [0]}]}]},
            lambda answer: answer["resultsByTransaction"][0]["topicResults"][0]["resultsByPartition"][0][
                "partitionErrorCode"])
        data = wire.batch([b"x"], *who.values(), 0, int(time.time() * 1000), 0x10)
        patiently("Produce", 11, {"transactionalId": name, "acks": -1, "timeoutMs": 9000, "topicData": [
            {"name": "txn-tool", "partitionData": [{"index": 0, "records": data}]}]},
            lambda answer: answer["responses"][0]["partitionResponses"][0]["errorCode"])
        if name == "done":
            patiently("EndTxn", 5, {"transactionalId": name, **who, "committed": True},
                      lambda answer: answer["errorCode"])
            patiently("EndTxn", 5, {"transactionalId": name, **who, "committed": True},
                      lambda answer: answer["errorCode"])  # until its markers are written
    make_hanging(patiently, wire)
    side.close()


def make_hanging(patiently, wire):
    """A transaction in the second partition that no coordinator knows of: an older client's that was not verified."""
    patiently("IncrementalAlterConfigs", 1, {"resources": [{"resourceType": 4, "resourceName": "", "configs": [
        {"name": "transaction.partition.verification.enable", "configOperation": 0, "value": "false"}]}]},
        lambda answer: answer["responses"][0]["errorCode"])
    told = patiently("InitProducerId", 4, {
        "transactionalId": "lost", "transactionTimeoutMs": 600000, "producerId": -1, "producerEpoch": -1},
        lambda answer: answer["errorCode"])
    data = wire.batch([b"x"], told["producerId"], told["producerEpoch"], 0, int(time.time() * 1000) - HOUR_MS, 0x10)

    def error(answer):
        code = answer["responses"][0]["partitionResponses"][0]["errorCode"]
        return CONCURRENT if code == ABORTABLE else code  # until the setting is in force
    patiently("Produce", 11, {"transactionalId": "lost", "acks": -1, "timeoutMs": 9000, "topicData": [
        {"name": "txn-tool", "partitionData": [{"index": 1, "records": data}]}]}, error)


S = "--bootstrap-server {server}"
TRANSACTIONS = lines("""
(none)
-h
--help
--version
bogus
--bogus
list
S
S bogus
S list extra
S list --bogus
S list --help
S list --duration-filter x
S list --duration-filter
S describe
S describe --help
S describe --transactional-id
S describe-producers
S describe-producers --help
S describe-producers --topic txn-tool
S describe-producers --topic txn-tool --partition x
S abort
S abort --help
S abort --topic txn-tool
S abort --topic txn-tool --partition 0
S abort --topic txn-tool --partition 0 --producer-id 1
S abort --topic txn-tool --partition 0 --producer-id 1 --producer-epoch 0
S abort --topic txn-tool --partition 0 --producer-epoch 0 --start-offset x
S abort --topic txn-tool --partition 0 --producer-id 1 --producer-epoch 65537 --coordinator-epoch 0
S abort --topic txn-tool --partition 4294967296 --producer-id 1 --producer-epoch 0 --coordinator-epoch 0
S describe-producers --topic txn-tool --partition 4294967296
S find-hanging
S find-hanging --help
S find-hanging --partition 0
S find-hanging --broker-id x
S forceTerminateTransaction
S forceTerminateTransaction --help
S list
S list --duration-filter 0
S list --duration-filter 100000000000
S list --transactional-id-pattern do.*
S list --transactional-id-pattern (
S describe --transactional-id open
S describe --transactional-id fresh
S describe --transactional-id nobody
S describe-producers --topic txn-tool --partition 0
S describe-producers --topic txn-tool --partition 0 --broker-id 1
S describe-producers --topic txn-tool --partition 1
S find-hanging --topic txn-tool
S find-hanging --topic txn-tool --max-transaction-timeout 0
S find-hanging --topic txn-tool --partition 1
S find-hanging --broker-id 1
S find-hanging --topic txn-tool --partition 1 --max-transaction-timeout 0
S find-hanging --broker-id 1 --max-transaction-timeout 30
S abort --topic txn-tool --partition 1 --start-offset 0
S describe-producers --topic txn-tool --partition 1
S find-hanging --topic txn-tool --max-transaction-timeout 0
S abort --topic txn-tool --partition 0 --start-offset 77
S abort --topic txn-tool --partition 0 --start-offset 2
S describe-producers --topic txn-tool --partition 0
S find-hanging --topic txn-tool --max-transaction-timeout 0
S forceTerminateTransaction --transactional-id open
S forceTerminateTransaction --transactionalId open
S describe --transactional-id open
S --command-config {dir}/missing.properties list
""", S=S)
CASES = ([("transactions", make_state)] + [("transactions", line) for line in TRANSACTIONS])

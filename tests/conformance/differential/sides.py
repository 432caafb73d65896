"""Two brokers that get the same requests, and their answers in comparable form."""
import re
import socket
import struct
import time

from codec import ZERO_ID

ANSWER_SECONDS = 30
SILENCE_SECONDS = 3  # where no answer is what is expected
CLOSED = "the connection was closed"
SILENT = "no answer"

# What differs between two brokers without meaning anything, by field: a value that says something
# (-1, 0, null) stays.
MASKED = {"host": "HOST", "port": "PORT", "clusterId": "CLUSTER", "logDir": "DIRECTORY",
          "producerId": "PRODUCER", "transactionStartTimeMs": "TIME", "lastTimestamp": "TIME", "sessionId": "SESSION", "logAppendTimeMs": "TIME",
          "totalBytes": "BYTES", "usableBytes": "BYTES", "brokerEpoch": "EPOCH",
          "producerIdStart": "PRODUCER", "lastFetchTimestamp": "TIME", "lastCaughtUpTimestamp": "TIME",
          "logEndOffset": "OFFSET", "highWatermark@DescribeQuorum": "OFFSET",
          "replicaDirectoryId": "DIRECTORY-ID", "leaderEpoch@DescribeQuorum": "EPOCH", "finalizedFeaturesEpoch": "OFFSET"}


MADE_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


# Of members of the consumer protocol: a uuid in base64.
MADE_SHORT_ID = re.compile(r"^[A-Za-z0-9_-]{22}$")


class Side:
    """One broker: its connection, and the names that it gave to ids."""

    def __init__(self, apis, broker, port=None):
        self.apis, self.broker, self.port = apis, broker, port or broker.port
        self.socket = None
        self.patience = ANSWER_SECONDS
        self.correlation_id = 0
        self.ids = {ZERO_ID: ZERO_ID}      # id -> the topic's name
        self.kept = {}                     # what a step asked to keep: {"pid": 7}

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def substitute(self, value, version):
        """"$id:NAME" and "$kept:NAME" are this side's; "$v" is the version."""
        if isinstance(value, dict):
            return {key: self.substitute(item, version) for key, item in value.items()}
        if isinstance(value, list):
            return [self.substitute(item, version) for item in value]
        if callable(value):
            return self.substitute(value(self, version), version)
        if not isinstance(value, str):
            return value
        value = value.replace("$v", str(version))
        if value.startswith("$id:"):
            return next(id_ for id_, name in self.ids.items() if name == value[4:])
        if value.startswith("$kept:"):
            return self.kept[value[6:]]
        return value

    def ask_bytes(self, data, answers=True):
        """The answer to a frame, CLOSED or SILENT."""
        try:
            self.send_bytes(data)
        except (ConnectionError, BrokenPipeError):
            self.close()
            return CLOSED
        return self.answer_bytes() if answers else SILENT

    def send_bytes(self, data):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS)
        self.socket.sendall(struct.pack(">i", len(data)) + data)

    def answer_bytes(self):
        """The answer to a frame that was sent, CLOSED or SILENT."""
        if self.socket is None:
            return CLOSED
        self.socket.settimeout(self.patience)
        try:
            size = struct.unpack(">i", self.receive(4))[0]
            return self.receive(size)
        except (ConnectionError, BrokenPipeError):
            self.close()
            return CLOSED
        except TimeoutError:
            self.close()
            return SILENT

    def receive(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data

    def ask(self, api, version, values, raw=None, answers=True):
        self.correlation_id += 1
        values = self.substitute(values, version)
        frame = self.apis.request(api, version, self.correlation_id, values)
        data = self.ask_bytes(frame + raw if raw else frame, answers)
        if isinstance(data, str):
            return data
        correlation_id, answer = self.apis.response(api, version, data)
        if correlation_id != self.correlation_id:
            return f"correlation id {correlation_id - self.correlation_id} off"
        return answer

    def await_topics(self, names):
        """Until the broker has heard of topics that its controller has made."""
        for _ in range(2000):
            answer = self.ask("Metadata", 9, {"topics": [{"name": name} for name in names]})
            if all(found["errorCode"] == 0 and all(part["errorCode"] == 0 for part in found["partitions"])
                   for found in answer["topics"]):
                return
            time.sleep(0.05)
        raise AssertionError(f"no topics {names}: {answer}")

    def learn(self, answer):
        """Topic ids by name, wherever an answer has both."""
        if isinstance(answer, dict):
            id_, name = answer.get("topicId"), answer.get("name") or answer.get("topicName")
            if id_ not in (None, ZERO_ID) and name:
                self.ids[id_] = name
            for value in answer.values():
                self.learn(value)
        elif isinstance(answer, list):
            for item in answer:
                self.learn(item)

    def masked(self, api, answer, field=None):
        if isinstance(answer, dict):
            return {key: self.masked(api, value, key) for key, value in answer.items()}
        if isinstance(answer, list):
            items = [self.masked(api, item, field) for item in answer]
            unordered = field == "subscribedTopicNames" or all(isinstance(item, dict) for item in items)
            return sorted(items, key=repr) if unordered else items
        if field in ("topicId", "TopicId") or (isinstance(answer, str) and answer in self.ids):
            return f"id of {self.ids.get(answer, 'a stranger')}" if answer != ZERO_ID else answer
        if field in ("memberId", "leader") and isinstance(answer, str):
            answer = MADE_SHORT_ID.sub("UUID", MADE_ID.sub("UUID", answer))
        mask = MASKED.get(f"{field}@{api}") or MASKED.get(field)
        if mask and answer not in (None, 0, -1, ""):
            return mask
        if isinstance(answer, str):
            for id_, name in self.ids.items():
                answer = answer.replace(id_, f"id of {name}")
            answer = answer.replace(self.broker.directory, "DIRECTORY")
            answer = re.sub(r"within \[-?\d+, -?\d+\]", "within [FROM, TO]", answer)
            return re.sub(r"\b(127\.0\.0\.1|localhost):\d+", "HOST:PORT", answer)
        return answer


def differences(theirs, ours, path=""):
    """Lines of what differs, Apache Kafka's first."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs:
            yield from differences(theirs[key], ours.get(key), f"{path}.{key}" if path else key)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for i, (left, right) in enumerate(zip(theirs, ours)):
            yield from differences(left, right, f"{path}[{i}]")
    elif isinstance(theirs, list) and isinstance(ours, list):
        left, right = [repr(item) for item in theirs], [repr(item) for item in ours]
        missing = [item for item in left if item not in right]
        added = [item for item in right if item not in left]
        yield f"{path}: {len(theirs)} != {len(ours)}: only Apache {missing[:3]}, only ours {added[:3]}"
    elif theirs != ours:
        yield f"{path}: {theirs!r} != {ours!r}"

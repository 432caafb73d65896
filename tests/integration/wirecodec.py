"""A tiny codec for tests that speak to a broker in bytes: only versions without compact fields."""
import socket
import struct
import time

PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS = 0, 1, 2, 3, 18
CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS, INIT_PRODUCER_ID = 19, 20, 21, 22
VERSIONS = {PRODUCE: 7, FETCH: 11, LIST_OFFSETS: 5, METADATA: 7, API_VERSIONS: 2,
            CREATE_TOPICS: 4, DELETE_RECORDS: 1, INIT_PRODUCER_ID: 1}
SECONDS = 120  # after which an answer never comes


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def string(text):
    if text is None:
        return b"\xff\xff"
    return struct.pack(">h", len(text.encode())) + text.encode()


def blob(data):
    return b"\xff\xff\xff\xff" if data is None else struct.pack(">i", len(data)) + data


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


def varint(value):
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value & ~0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def record(delta, value, key=None):
    body = b"\0" + varint(0) + varint(delta)
    for part in (key, value):
        body += varint(-1) if part is None else varint(len(part)) + part
    body += varint(0)
    return varint(len(body)) + body


def batch(values, producer_id=-1, epoch=-1, sequence=-1, timestamp=1700000000000, attributes=0, keys=None):
    body = struct.pack(">hiqqqhii", attributes, len(values) - 1, timestamp, timestamp, producer_id,
                       epoch, sequence, len(values))
    body += b"".join(record(i, value, keys and keys[i]) for i, value in enumerate(values))
    tail = struct.pack(">ibI", -1, 2, crc32c(body)) + body
    return struct.pack(">qi", 0, len(tail)) + tail


def values_of(records):
    """(base offset, number of records) of each whole batch; the rest is left out."""
    batches = []
    while len(records) >= 61:
        base, size = struct.unpack(">qi", records[:12])
        if len(records) < 12 + size:
            break
        batches.append((base, struct.unpack(">i", records[57:61])[0]))
        records = records[12 + size:]
    return batches


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        size = struct.calcsize(">" + form)
        values = struct.unpack(">" + form, self.data[self.at:self.at + size])
        self.at += size
        return values if len(values) > 1 else values[0]

    def blob(self, length_form="i"):
        size = self.take(length_form)
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at]

    def string(self):
        text = self.blob("h")
        return None if text is None else text.decode()

    def array(self, element):
        return [element() for _ in range(self.take("i"))]


class Connection:
    def __init__(self, port, seconds=SECONDS):
        self.seconds = seconds
        self.socket = socket.create_connection(("127.0.0.1", port), seconds)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def frame(self, api, body=b"", version=None):
        self.correlation += 1
        header = struct.pack(">hhi", api, VERSIONS.get(api, 0) if version is None else version,
                             self.correlation) + string("wire")
        return blob(header + body)

    def send(self, api, body=b"", version=None):
        self.socket.sendall(self.frame(api, body, version))
        return self.correlation

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError("the broker closed the connection")
            data += piece
        return data

    def receive(self):
        """(correlation id, reader of what follows)."""
        size, correlation = struct.unpack(">ii", self._exactly(8))
        return correlation, Reader(self._exactly(size - 4))

    def ask(self, api, body=b"", version=None):
        sent = self.send(api, body, version)
        correlation, reader = self.receive()
        if sent != correlation:
            raise AssertionError(f"answer {correlation} to request {sent}")
        return reader

    def closed(self, seconds=SECONDS):
        """Whether the broker closes within the time."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def silent(self, seconds):
        """Whether nothing comes for that long."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(self.seconds)

    def create_topic(self, topic, partitions=1, configs=(), patient=True):
        settings = array([string(name) + string(value) for name, value in configs])
        body = array([string(topic) + struct.pack(">ih", partitions, 1) + array([]) + settings])
        reader = self.ask(CREATE_TOPICS, body + struct.pack(">ib", 20000, 0))
        reader.take("i")
        (error,) = reader.array(lambda: (reader.string(), reader.take("h"), reader.string())[1:2])
        if error[0] not in (0, 36):
            raise AssertionError(f"creating {topic}: error {error[0]}")
        if patient:
            self.await_leaders(topic, partitions)

    def await_leaders(self, topic, partitions):
        """Until every partition serves: the metadata may know a leader before the leader does."""
        wanted = [(topic, partition, 0) for partition in range(partitions)]
        deadline = time.monotonic() + SECONDS
        while any(code for code, _, _ in self.fetch(wanted)[2].values()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{topic} has no leaders")
            time.sleep(0.02)

    def produce(self, topic, records, partition=0, acks=-1):
        """(error, base offset)."""
        reader = self.ask(PRODUCE, produce_body(topic, records, partition, acks))
        return produce_result(reader)

    def fetch(self, partitions, **options):
        return fetch_result(self.ask(FETCH, fetch_body(partitions, **options)))

    def list_offset(self, topic, timestamp, partition=0):
        """(error, timestamp, offset)."""
        body = struct.pack(">ib", -1, 0) + array([
            string(topic) + array([struct.pack(">iiq", partition, -1, timestamp)])])
        reader = self.ask(LIST_OFFSETS, body)
        reader.take("i"), reader.take("i"), reader.string(), reader.take("ii")
        return reader.take("hqq")

    def producer_id(self):
        """(id, epoch); asked for until the coordinator is there."""
        deadline = time.monotonic() + SECONDS
        while True:
            reader = self.ask(INIT_PRODUCER_ID, string(None) + struct.pack(">i", 60000))
            _, error, producer_id, epoch = reader.take("ihqh")
            if error == 0:
                return producer_id, epoch
            if error not in (14, 15) or time.monotonic() > deadline:
                raise AssertionError(f"InitProducerId: error {error}")
            time.sleep(0.02)


def produce_body(topic, records, partition=0, acks=-1):
    return string(None) + struct.pack(">hi", acks, 20000) + array([
        string(topic) + array([struct.pack(">i", partition) + blob(records)])])


def produce_result(reader):
    reader.take("i"), reader.string(), reader.take("i")
    _, error, base, _, _ = reader.take("ihqqq")
    return error, base


def fetch_body(partitions, max_wait=0, min_bytes=1, max_bytes=1 << 25, partition_bytes=1 << 20,
               session=0, epoch=-1, forgotten=()):
    """partitions: (topic, partition, offset)."""
    topics = [string(topic) + array([struct.pack(">iiqqi", partition, -1, offset, -1,
                                                 partition_bytes)])
              for topic, partition, offset in partitions]
    gone = [string(topic) + array([struct.pack(">i", partition)]) for topic, partition in forgotten]
    return struct.pack(">iiiibii", -1, max_wait, min_bytes, max_bytes, 0, session, epoch) + \
        array(topics) + array(gone) + string("")


def fetch_result(reader):
    """(error, session id, {(topic, partition): (error, high watermark, records)})."""
    _, error, session = reader.take("ihi")
    found = {}
    for _ in range(reader.take("i")):
        topic = reader.string()
        for _ in range(reader.take("i")):
            partition, code, high, _, _ = reader.take("ihqqq")
            reader.at += 4 + max(0, struct.unpack(">i", reader.data[reader.at:reader.at + 4])[0]) * 16
            reader.take("i")
            found[topic, partition] = (code, high, reader.blob() or b"")
    return error, session, found

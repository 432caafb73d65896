"""A member of a group over librdkafka, as tests/integration/library/member.c: the same arguments, the same lines."""
import signal
import sys
import time

import confluent_kafka

STOPPED = []


def show(what, partitions):
    names = sorted(f"{one.topic}-{one.partition}" for one in partitions)
    print(" ".join([what, ",".join(names)]).rstrip(), flush=True)


def main():
    topic, seconds, *pairs = sys.argv[1:]
    settings = dict(pair.split("=", 1) for pair in pairs if not pair.startswith("."))
    signal.signal(signal.SIGTERM, lambda *_: STOPPED.append(True))
    consumer = confluent_kafka.Consumer(settings)
    consumer.subscribe([topic], on_assign=lambda _, parts: show("assigned", parts),
                       on_revoke=lambda _, parts: show("revoked", parts),
                       on_lost=lambda _, parts: show("lost", parts))
    end = time.monotonic() + int(seconds)
    while not STOPPED and time.monotonic() < end:
        record = consumer.poll(0.2)
        if record is not None and record.error() is None:
            print("record", record.topic(), record.partition(), record.offset(),
                  record.value().decode(), flush=True)
    consumer.close()
    print("closed", flush=True)


main()

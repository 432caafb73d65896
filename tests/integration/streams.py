#!/usr/bin/env python3
"""The smoke test of Kafka Streams with exactly_once_v2, while broker and application are killed: what it has
computed is what its records give when each counts once."""
import pathlib
import shutil
import sys
import tempfile

import harness
import oracles
import transactions
from transactions import check

TESTS = "org.apache.kafka.streams.tests."
TOPICS = ("echo", "data", "min", "min-suppressed", "min-raw", "max", "sum", "sws-raw", "sws-suppressed", "dif", "cnt",
          "avg", "wcnt", "tagg", "fk")
WRITE_SECONDS = 12
KEYS = 10
RECORDS = 200  # of each key
SETTINGS = """processing.guarantee=exactly_once_v2
replication.factor=1
num.standby.replicas=0
session.timeout.ms=6000
commit.interval.ms=200
"""


def computed(kills):
    state = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-test-"))
    try:
        with oracles.Stage("streams") as stage:
            stage.topic(*TOPICS).close()
            properties = state / "streams.properties"
            properties.write_text(f"bootstrap.servers={stage.broker.bootstrap}\nstate.dir={state / 'state'}\n{SETTINGS}")

            def application():
                return stage.run(TESTS + "StreamsSmokeTest", properties, "process")

            running = application()
            driver = stage.run("StreamsDriver", stage.broker.bootstrap, WRITE_SECONDS, KEYS, RECORDS)
            for kill, share in enumerate(kills):
                transactions.await_progress(stage.broker, int(share * KEYS * RECORDS), "echo")
                if kill % 2 == 0:
                    stage.bounce()
                else:
                    running.kill()
                    running = application()
            text = driver.succeeds()
            check("ALL-RECORDS-DELIVERED" in text and "SUCCESS" in text, True, f"the verdict ({text[-1500:]})")
    finally:
        shutil.rmtree(state)


CASES = [("compute_each_record_once", lambda: computed(())),
         ("compute_each_record_once_through_kills", lambda: computed((0.2, 0.35, 0.5, 0.65)))]

if __name__ == "__main__":
    words = sys.argv[1:]
    harness.run([(f"streams__{name}", case) for name, case in CASES
                 if not words or any(word in name for word in words)])

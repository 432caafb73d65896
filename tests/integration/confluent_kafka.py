#!/usr/bin/env python3
"""confluent-kafka (librdkafka from Python) creates, writes, reads, seeks, lists, alters and deletes."""
import harness

PROGRAM = str(harness.TESTS / "peers" / "python" / "confluent_client.py")

if __name__ == "__main__":
    harness.run_client("confluent_kafka",
                       lambda: [str(harness.peer("python") / "bin" / "python"), PROGRAM])

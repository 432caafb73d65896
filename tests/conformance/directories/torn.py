"""A topic that is written to, and whose settings change, at the moment of a SIGKILL."""
import threading

import harness
import producers
import sides
import state
import wirecodec as wire

TOPIC = "torn"
ACKNOWLEDGED_MIN = 60
BASE_RETENTION_MS = 900000000
NEVER_SENT_BYTES = 21  # what the broker writes of a batch: offset, size, leader epoch, magic, CRC


class Torn:
    """Knows what was acknowledged through all deaths of the brokers."""

    def __init__(self):
        self.batches = {}  # base offset -> the batch as it was sent
        self.retention_ms = 0
        self.sent = 0

    def write(self, side):
        """Until the connection ends."""
        try:
            while True:
                self.write_once(side)
        except (AssertionError, TypeError, KeyError):
            pass  # what comes of an answer that did not come
        finally:
            side.close()

    def write_once(self, side):
        self.sent += 1
        values = [b"%d-%d-" % (self.sent, i) + b"x" * 150 for i in range(1 + self.sent % 40)]
        batch = wire.batch(values, timestamp=producers.STAMP_MS + self.sent)
        error, base = producers.produce(side, TOPIC, 0, batch)
        producers.expect("a batch", error, 0)
        self.batches[base] = batch
        if self.sent % 10 == 0:
            wanted = BASE_RETENTION_MS + self.sent
            answer = side.ask("IncrementalAlterConfigs", 1, {"resources": [
                {"resourceType": state.TOPIC, "resourceName": TOPIC, "configs": [
                    {"name": "retention.ms", "configOperation": 0, "value": str(wanted)}]}]})
            producers.expect("a setting", answer["responses"][0]["errorCode"], 0)
            self.retention_ms = wanted

    def until_killed(self, apis, node):
        side = sides.Side(apis, node)
        before = len(self.batches)
        writer = threading.Thread(target=self.write, args=(side,))
        writer.start()
        harness.wait_for(lambda: len(self.batches) > before + ACKNOWLEDGED_MIN,
                         what="acknowledged batches")
        node.end(clean=False)
        writer.join()

    def check(self, side):
        found = state.read(side, TOPIC, 0, 0)
        batches = [bytes.fromhex(batch) for batch in found["batches"]]
        at = 0
        for batch in batches:
            producers.expect("the offset of a batch", int.from_bytes(batch[:8], "big"), at)
            at = state.next_offset(batch)
        producers.expect("the high watermark", found["high watermark"], at)
        held = {int.from_bytes(batch[:8], "big"): batch for batch in batches}
        for base, sent in self.batches.items():
            producers.expect(f"the batch at {base}", held.get(base, b"")[NEVER_SENT_BYTES:],
                             sent[NEVER_SENT_BYTES:])
        kept = int(state.dynamic(side, state.TOPIC, TOPIC)["retention.ms"][0])
        if kept < self.retention_ms:
            raise AssertionError(f"retention.ms {kept}, but {self.retention_ms} was acknowledged")

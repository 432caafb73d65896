"""The parts of bench/run that measure coordinators: commits, groups, transactions, members."""
import contextlib
import json
import pathlib
import re
import socket
import statistics
import struct
import subprocess
import time

PEERS = ("barnabas", "apache")
CONNECTIONS = 50
COMMIT_GROUPS = 1000
SESSION_SECONDS = 1800  # the longest that brokers allow by themselves
TRANSACTION_RATE = 1000
END_MS = 100
STREAM_PAIRS = 3
LOADED_GROUPS = 100
OFFSET_FETCH, NOT_AVAILABLE, LOAD_IN_PROGRESS, NOT_COORDINATOR = 9, 15, 14, 16


class Driven:
    """A program of ours that says `ready` before what is measured, and then one JSON object."""

    def __init__(self, broker, *words):
        self.broker = broker
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise RuntimeError(f"{self.process.args}: status {self.process.returncode}")

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"{self.process.args} has ended")
        return text.strip()

    def wait_ready(self):
        if self.line() != "ready":
            raise RuntimeError(f"{self.process.args} is not ready")

    def measure(self):
        """Lets it go on: what it says, and the broker's CPU seconds meanwhile."""
        cpu = self.broker.cpu_seconds()
        print(file=self.process.stdin, flush=True)
        result = json.loads(self.line())
        return result, self.broker.cpu_seconds() - cpu


def driven(broker, *words):
    with Driven(broker, *words) as program:
        program.wait_ready()
        return program.measure()


def commits(bench):
    """Offset commits of many simple consumers at once; the first run warms both."""
    bench.start()
    seconds = 2 if bench.options.quick else 8
    for repetition in range(bench.options.repeat + 1):
        for peer, broker in bench.brokers.items():
            if repetition == 0:
                broker.create("commits", 1)
            done, cpu = driven(broker, bench.program("groups"), "commits", broker.bootstrap, "commits",
                               CONNECTIONS, COMMIT_GROUPS, seconds)
            if repetition > 0:
                bench.add(f"offset commits, {CONNECTIONS} at once", peer,
                          {"per_second": done["done"] / done["seconds"],
                           "per_cpu_second": done["done"] / cpu}, "Apache x 5 a CPU second")


def live_mb(broker):
    """What is alive on the heap of Apache Kafka."""
    out = subprocess.run(["jmap", "-histo:live", str(broker.process.pid)], check=True,
                         capture_output=True, text=True).stdout
    return int(re.search(r"^Total\s+\d+\s+(\d+)", out, re.M)[1]) / 2**20


def groups(bench):
    """Memory that groups take which do nothing: brokers of their own, so that no load came before."""
    count = 1000 if bench.options.quick else 10000
    for peer in PEERS:
        broker = bench.make(peer)
        try:
            broker.create("idle", 1)
            with Driven(broker, bench.program("groups"), "idle", broker.bootstrap, "idle", CONNECTIONS,
                        count, SESSION_SECONDS) as program:
                program.wait_ready()
                live = live_mb(broker) if peer == "apache" else 0
                before = broker.memory_mb()["VmRSS"]
                done, cpu = program.measure()
                result = {"added_MB": broker.memory_mb()["VmRSS"] - before}
                if peer == "apache":
                    result["live_MB"] = live_mb(broker) - live
                result["make_s"], result["make_cpu_s"] = done["seconds"], cpu
            bench.add(f"{count:,} idle groups", peer, result, "Apache / 5")
        finally:
            broker.remove()


def paced(bench, broker, topic):
    seconds = 2 if bench.options.quick else 8
    done, cpu = driven(broker, bench.program("transactions"), "paced", broker.bootstrap, topic,
                       TRANSACTION_RATE, seconds)
    done["cpu_ms_each"] = cpu / done.pop("done") * 1000
    return done


def transactions(bench):
    """Small transactions at a fixed rate."""
    quick_retry = ["add.partitions.to.txn.retry.backoff.ms=1"]
    for name, overrides in (("defaults", []), ("retry after 1 ms", quick_retry)):
        brokers = {peer: bench.make(peer, overrides) for peer in PEERS}
        try:
            for repetition in range(bench.options.repeat + 1):
                for peer, broker in brokers.items():
                    topic = bench.topic(broker, 1)
                    result = paced(bench, broker, topic)
                    broker.delete(topic)
                    if repetition > 0:  # the first one warms both
                        bench.add(f"{TRANSACTION_RATE} transactions/s wanted, {name}", peer, result,
                                  "CPU Apache / 3, commit Apache / 2")
        finally:
            for broker in brokers.values():
                broker.remove()


def stream(bench, broker, end_ms):
    """Large batches, in transactions that end every so often or (0) without."""
    megabytes = 200 if bench.options.quick else 1000
    topic = bench.topic(broker, 1)
    bench.warm_memory(megabytes * 1000000)
    done, cpu = driven(broker, bench.program("transactions"), "stream", broker.bootstrap, topic,
                       megabytes, end_ms)
    broker.delete(topic)
    return {"mb_per_second": done["mb_per_second"], "cpu_per_gb": cpu / megabytes * 1000,
            "transactions": done["transactions"]}


def streams(bench):
    """Large batches without and with transactions, in turn."""
    bench.start()
    for peer, broker in bench.brokers.items():
        rates = {0: [], END_MS: []}
        stream(bench, broker, END_MS)
        for _ in range(STREAM_PAIRS * bench.options.repeat):
            for end_ms, name in ((0, "plain"), (END_MS, f"ended every {END_MS} ms")):
                result = stream(bench, broker, end_ms)
                rates[end_ms].append(result["mb_per_second"])
                bench.add(f"100 kB batches, {name}", peer, result)
        bench.add("100 kB batches, transactions to plain", peer,
                  {"ratio": statistics.median(rates[END_MS]) / statistics.median(rates[0])}, "0.95")


def members_once(bench, peer, protocol, count, leaves):
    broker = bench.make(peer, ["group.initial.rebalance.delay.ms=1000",
                               "group.consumer.assignment.interval.ms=0"])
    try:
        broker.create("members", count)
        settled, cpu = [], 0
        with Driven(broker, bench.program("members"), protocol, broker.bootstrap, "members", count,
                    leaves) as program:
            for _ in range(leaves):
                program.wait_ready()
                result, used = program.measure()
                settled.append(result["settled_ms"])
                cpu += used
        return {"settled_ms": statistics.median(settled), "max_ms": max(settled),
                "cpu_ms": cpu / leaves * 1000}
    finally:
        broker.remove()


def members(bench):
    """One of a thousand members leaves; several times in turn, since the first ones warm."""
    count, leaves = (100, 3) if bench.options.quick else (1000, 10)
    for protocol in ("classic", "consumer"):
        for peer in PEERS:
            try:
                result = members_once(bench, peer, protocol, count, leaves)
            except RuntimeError as why:  # what is not served yet has no figure
                print(f"{count} members, {protocol} | {peer} | {why}")
                continue
            bench.add(f"one of {count:,} members leaves, {protocol} protocol", peer, result, "1 s")


def wait_loaded(broker):
    """Asks for a committed offset, as a consumer that starts, until the coordinator has it."""
    def text(value):
        return struct.pack(">h", len(value)) + value
    request = (struct.pack(">hhi", OFFSET_FETCH, 2, 1) + text(b"bench") + text(b"group-0") +
               struct.pack(">i", 1) + text(b"topic") + struct.pack(">ii", 1, 0))
    with socket.create_connection(("127.0.0.1", broker.port)) as connection:
        file = connection.makefile("rb")
        error = None
        while error != 0:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = file.read(struct.unpack(">i", file.read(4))[0])
            error = struct.unpack(">h", answer[-2:])[0]
            if error not in (0, NOT_COORDINATOR, LOAD_IN_PROGRESS, NOT_AVAILABLE):
                raise RuntimeError(f"OffsetFetch: {error}")
            time.sleep(0.002 if error else 0)


def start_loaded(broker):
    began, cpu = time.monotonic(), 0
    broker.start()
    wait_loaded(broker)
    return time.monotonic() - began, broker.cpu_seconds() - cpu


def loading(bench):
    """How much longer a start takes until its coordinator of groups has read its log."""
    millions = 1.7 if bench.options.quick else 17  # of 60 bytes
    for peer in PEERS:
        broker = bench.make(peer, ["offsets.topic.num.partitions=1", "log.cleaner.enable=false"])
        try:
            broker.create("first", 1)
            broker.command("consumer-groups", "--describe", "--group", "group-0")
            broker.stop()
            without = start_loaded(broker)
            subprocess.run([str(bench.program("offsets")), broker.bootstrap, str(millions),
                            str(LOADED_GROUPS)], check=True)
            broker.stop()
            log = pathlib.Path(broker.directory) / "data" / "__consumer_offsets-0"
            size = sum(path.stat().st_size for path in log.glob("*.log"))
            with_it = start_loaded(broker)
            bench.add("offsets partition loaded", peer,
                      {"MB": size / 1e6, "load_s": with_it[0] - without[0],
                       "load_cpu_s": with_it[1] - without[1],
                       "RSS_MB": broker.memory_mb()["VmRSS"]}, "Apache / 5")
        finally:
            broker.remove()


PARTS = {"commits": commits, "groups": groups, "transactions": transactions,
         "streams": streams, "members": members, "loading": loading}

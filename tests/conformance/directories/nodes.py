"""A data directory, the brokers that open it by turns, and one JVM for the Java side's work."""
import pathlib
import shutil
import signal
import subprocess
import tempfile

import harness

STOP_SECONDS = harness.PATIENCE_SECONDS
APACHE, OURS = "apache", "barnabas"


def classpath():
    folder = harness.peer("java")
    jars = [path for path in sorted((folder / "lib").glob("*.jar")) if "slf4j-nop" not in path.name]
    return ":".join(map(str, [folder / "classes", *(folder / "logging").glob("*.jar"), *jars]))


def java(level="warn"):
    return ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
            f"-Dorg.slf4j.simpleLogger.defaultLogLevel={level}", "-cp", classpath()]


class Driver:
    """tests/conformance/java/Directories.java, told what to do line by line."""

    def __init__(self):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*java("off"), "Directories"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def do(self, *words):
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != "ok":
            self.errors.seek(0)
            text = self.errors.read().decode(errors="replace")
            raise AssertionError(f"{' '.join(map(str, words[:2]))}: {answer}\n{text[-3000:]}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(STOP_SECONDS)
        self.process.stdout.close()
        self.errors.close()


class Node:
    """Node 1 of a cluster of one, with three log directories; `peer` is who runs it now.

    as_before: with static voters and the metadata of release 4.0.
    """

    def __init__(self, driver, as_before):
        self.driver, self.as_before = driver, as_before
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-directories-"))
        self.directories = [self.root / f"data-{i}" for i in range(3)]
        self.port, self.controller_port = harness.free_port(), harness.free_port()
        self.properties = self.root / "server.properties"
        self.starts = 0
        self.peer = self.process = None

    def settings(self):
        quorum = f"controller.quorum.voters=1@127.0.0.1:{self.controller_port}" \
            if self.as_before else \
            f"controller.quorum.bootstrap.servers=127.0.0.1:{self.controller_port}"
        return [quorum,
                "process.roles=broker,controller", "node.id=1",
                f"listeners=PLAINTEXT://127.0.0.1:{self.port},"
                f"CONTROLLER://127.0.0.1:{self.controller_port}",
                f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}",
                "controller.listener.names=CONTROLLER",
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                f"log.dirs={','.join(map(str, self.directories))}",
                "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=3",
                "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
                "transaction.state.log.num.partitions=3",
                "share.coordinator.state.topic.replication.factor=1",
                "share.coordinator.state.topic.min.isr=1",
                "share.coordinator.state.topic.num.partitions=2",
                "group.initial.rebalance.delay.ms=0",
                # Members outlive the brokers, however long a leg takes.
                "group.consumer.session.timeout.ms=1800000", "group.consumer.max.session.timeout.ms=1800000",
                "log.cleaner.backoff.ms=200", "log.initial.task.delay.ms=100",
                "log.flush.start.offset.checkpoint.interval.ms=200",
                "log.flush.offset.checkpoint.interval.ms=200",
                "metadata.log.max.record.bytes.between.snapshots=4000",
                "barnabas.shards=2"]

    def write_settings(self, peer):
        """The same for both, but that we do not start where access rules are to be enforced."""
        only = ["super.users=User:ANONYMOUS", "authorizer.class.name="
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer"]
        lines = self.settings() + (only if peer == APACHE else [])
        self.properties.write_text("\n".join(lines) + "\n")

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def directory(self):
        return str(self.root)

    def format(self, peer):
        self.write_settings(peer)
        kind = ["--release-version", "4.0"] if self.as_before else ["--standalone"]
        words = ["format", *kind, "-t", "4L6g3nShT-eMCtK--X86sw", "-c", str(self.properties)]
        if peer == APACHE:
            self.driver.do("main", "kafka.tools.StorageTool", self.root / "format", *words)
            return
        done = subprocess.run([harness.BINARY, "storage", *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"storage format: {done.stdout}{done.stderr}")

    def start(self, peer):
        self.write_settings(peer)
        self.peer = peer
        self.starts += 1
        self.output = self.root / f"{self.starts}-{peer}.log"
        command = [*java("info"), "kafka.Kafka", str(self.properties)] if peer == APACHE else \
            [harness.BINARY, "server-start", str(self.properties)]
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        harness.wait_for(self.answers, harness.START_SECONDS[peer], f"{peer} to answer")
        return self

    answers = harness.Broker.answers

    def log(self):
        return self.output.read_text(errors="replace")

    def end(self, clean):
        if not clean:
            self.process.kill()
            self.process.wait()
            return
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_SECONDS)
        log = self.log()
        if self.peer == OURS and (status != 0 or harness.SANITIZER.search(log)):
            raise AssertionError(f"the broker ended with status {status}: {log[-4000:]}")

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def files(self):
        """Every file that the dump tools know, with nobody running."""
        kinds = {".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".checkpoint"}
        return [path for directory in self.directories for path in sorted(directory.rglob("*"))
                if path.suffix in kinds]

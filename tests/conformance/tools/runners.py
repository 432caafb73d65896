"""Two ways to run a tool: Apache Kafka's, in one JVM, and ours."""
import pathlib
import struct
import subprocess

import harness

JAVA_SOURCES = pathlib.Path(__file__).resolve().parents[1] / "java" / "tools"
SECONDS = 150
TOO_LATE = 124
PACKAGE = "org.apache.kafka.tools."
CLASSES = {
    "storage": "kafka.tools.StorageTool",
    "topics": PACKAGE + "TopicCommand",
    "configs": "kafka.admin.ConfigCommand",
    "get-offsets": PACKAGE + "GetOffsetShell",
    "delete-records": PACKAGE + "DeleteRecordsCommand",
    "log-dirs": PACKAGE + "LogDirsCommand",
    "consumer-groups": PACKAGE + "consumer.group.ConsumerGroupCommand",
    "groups": PACKAGE + "GroupsCommand",
    "transactions": PACKAGE + "TransactionsCommand",
    "dump-log": PACKAGE + "DumpLogSegments",
    "broker-api-versions": PACKAGE + "BrokerApiVersionsCommand",
    "cluster": PACKAGE + "ClusterTool",
    "features": PACKAGE + "FeatureCommand",
    "metadata-quorum": PACKAGE + "MetadataQuorumCommand",
    "console-producer": PACKAGE + "ConsoleProducer",
    "console-consumer": PACKAGE + "consumer.ConsoleConsumer",
    "producer-perf-test": PACKAGE + "ProducerPerformance",
    "consumer-perf-test": PACKAGE + "ConsumerPerformance",
    "server-start": "kafka.Kafka",
}


class Java:
    """Apache Kafka's tools; one JVM runs them one after the other."""

    def __init__(self, folder):
        peer = harness.peer("java")
        jars = [str(path) for path in sorted((peer / "lib").glob("*.jar"))
                if not path.name.startswith("slf4j-nop")]
        classes = pathlib.Path(folder) / "classes"
        sources = [str(path) for path in sorted(JAVA_SOURCES.rglob("*.java"))]
        subprocess.run(["javac", "-nowarn", "-proc:none", "-Xlint:-removal", "-cp", ":".join(jars),
                        "-d", str(classes), *sources], check=True, timeout=300)
        self.process = subprocess.Popen(
            ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
             "-Djava.security.manager=allow", "-Dfile.encoding=UTF-8",
             "-cp", ":".join([str(classes), *jars]), "RunTools"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def run(self, tool, arguments, text):
        texts = [CLASSES[tool].encode(), text.encode(), *(word.encode() for word in arguments)]
        frame = struct.pack(">i", len(texts))
        for part in texts:
            frame += struct.pack(">i", len(part)) + part
        self.process.stdin.write(frame)
        self.process.stdin.flush()
        status = self._number()
        out, err = (self._bytes(self._number()).decode(errors="replace") for _ in range(2))
        return status, out, err

    def _bytes(self, size):
        data = self.process.stdout.read(size)
        if len(data) < size:
            raise RuntimeError("the JVM of the tools ended")
        return data

    def _number(self):
        return struct.unpack(">i", self._bytes(4))[0]

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


class Ours:
    """A process for each call."""

    def run(self, tool, arguments, text):
        try:
            done = subprocess.run([harness.BINARY, tool, *arguments], input=text.encode(),
                                  capture_output=True, timeout=SECONDS)
        except subprocess.TimeoutExpired as late:
            return TOO_LATE, (late.stdout or b"").decode(), (late.stderr or b"").decode()
        return (done.returncode, done.stdout.decode(errors="replace"),
                done.stderr.decode(errors="replace"))

    def close(self):
        pass

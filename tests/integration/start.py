#!/usr/bin/env python3
"""The first minute of a user: starting, starting again, and the one clear line when it cannot be."""
import fcntl
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback

import harness

LINE_SECONDS = harness.PATIENCE_SECONDS
STARTS_AT_ONCE = 6


def settings(port):
    return ["--override", f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{harness.free_port()}"]


class Started:
    """A broker in a directory, started by its own command; ends with the block."""

    def __init__(self, directory, *more, port=None):
        self.command = [harness.BINARY, "start", "--directory", str(directory),
                        *settings(port or harness.free_port()), *more]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        self.line = self.process.stdout.readline()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=LINE_SECONDS)
        assert self.process.returncode == 0, self.process.returncode


def refused(directory, *more, port=None, command=None):
    """The line on standard error of a start that must fail."""
    words = command or Started(directory, *more, port=port).command
    done = subprocess.run(words, capture_output=True, text=True, timeout=LINE_SECONDS)
    assert done.returncode == 1, f"status {done.returncode}"
    assert done.stdout == "", done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("barnabas: "), done.stderr
    return lines[0]


def begins_and_finds_its_data_again(root):
    with Started(root / "data") as first:
        assert "ready on" in first.line and str(root / "data") in first.line, first.line
        address = first.line.split("ready on ")[1].split(",")[0]
        made = subprocess.run([harness.BINARY, "topics", "--bootstrap-server", address, "--create",
                               "--topic", "kept"], capture_output=True, text=True, timeout=LINE_SECONDS)
        assert made.returncode == 0, made.stderr
    with Started(root / "data") as second:
        address = second.line.split("ready on ")[1].split(",")[0]
        listed = subprocess.run([harness.BINARY, "topics", "--bootstrap-server", address, "--list"],
                                capture_output=True, text=True, timeout=LINE_SECONDS)
        assert listed.stdout == "kept\n", listed.stdout


def writes_down_its_own_controller_listener(root):
    """As a voter with the name that its listener has, by which others would look for it."""
    listeners = (f"listeners=PLAINTEXT://127.0.0.1:{harness.free_port()},QUORUM://127.0.0.1:{harness.free_port()}")
    words = ["--override", listeners, "--override", "controller.listener.names=QUORUM", "--override",
             "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,QUORUM:PLAINTEXT"]
    with Started(root / "data", *words) as node:
        assert "ready on" in node.line, node.line
    first = root / "data" / "__cluster_metadata-0" / "00000000000000000000-0000000000.checkpoint"
    assert b"QUORUM" in first.read_bytes() and b"CONTROLLER" not in first.read_bytes()


def formats_every_log_directory(root):
    """With the metadata log in one of them or apart; a directory that is missing later is not made anew."""
    own = lambda path: dict(line.split("=", 1) for line in (path / "meta.properties").read_text().split("\n")
                            if "=" in line)
    for name, more in (("one", []), ("apart", ["--override", f"metadata.log.dir={root}/apart/m"])):
        base = root / name
        base.mkdir()
        words = ["--override", f"log.dirs={base}/b,{base}/a", *more]
        for _ in range(2):
            with Started(base / "unused", *words) as node:
                assert "ready on" in node.line, node.line
        found = {path.name: own(path) for path in base.iterdir()}
        assert set(found) == ({"a", "b", "m"} if more else {"a", "b"}), found
        assert len({every["cluster.id"] for every in found.values()}) == 1, found
        assert len({every["directory.id"] for every in found.values()}) == len(found), found
        (base / "a").rename(base / "away")
        assert "No `meta.properties` found" in refused(base / "unused", *words)
        (base / "away").rename(base / "a")
        (base / ("m" if more else "b") / "meta.properties").unlink()
        assert "not a data directory" in refused(base / "unused", *words)


def a_reader_that_has_seen_enough_ends_the_consumer_in_order(root):
    """`console-consumer | head`: the member leaves its group, and what nobody saw comes again."""
    with Started(root / "data") as node:
        address = node.line.split("ready on ")[1].split(",")[0]
        tool = lambda *words, **more: subprocess.run(
            [harness.BINARY, words[0], "--bootstrap-server", address, *words[1:]], text=True,
            capture_output=True, timeout=LINE_SECONDS, **more)
        text = "".join(f"{i:0>99}\n" for i in range(20000))
        assert tool("console-producer", "--topic", "long", input=text).returncode == 0
        words = ["console-consumer", "--topic", "long", "--group", "readers"]
        with subprocess.Popen([harness.BINARY, words[0], "--bootstrap-server", address, *words[1:],
                               "--from-beginning"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            assert process.stdout.readline() == "0" * 99 + "\n"
            process.stdout.close()
            told = process.stderr.read()
            assert process.wait(LINE_SECONDS) == 0, process.returncode
        assert "Unable to write to standard out, closing consumer." in told, told
        described = tool("consumer-groups", "--describe", "--group", "readers", "--members")
        assert "has no active members" in described.stdout + described.stderr, described
        rest = []
        harness.wait_for(lambda: rest.extend(tool(*words, "--timeout-ms", "3000", "--from-beginning").stdout.splitlines())
                         or rest[-1:] == [f"{19999:0>99}"], what=f"the last record, behind {rest[-1:]}")
        assert len(rest) > 1000, (len(rest), rest[:1])


def many_partitions_are_synced_at_the_end(root):
    """More than are synced one by one: all recovery points are at the end, every file has its name."""
    partitions, records = 100, 1000
    with Started(root / "data", "--override", f"num.partitions={partitions}") as first:
        address = first.line.split("ready on ")[1].split(",")[0]
        lines = "".join(f"key-{number}\tvalue\n" for number in range(records))
        sent = subprocess.run([harness.BINARY, "console-producer", "--bootstrap-server", address,
                               "--topic", "many", "--reader-property", "parse.key=true"],
                              input=lines, capture_output=True, text=True, timeout=LINE_SECONDS)
        assert sent.returncode == 0, sent.stderr
    data = root / "data"
    points = dict(line.rsplit(" ", 1) for line in
                  (data / "recovery-point-offset-checkpoint").read_text().splitlines()[2:])
    points = {name: int(offset) for name, offset in points.items() if name.startswith("many ")}
    assert len(points) == partitions and sum(points.values()) == records, points
    for name, offset in points.items():
        files = {path.name for path in (data / name.replace(" ", "-")).iterdir()}
        wanted = {"partition.metadata"}
        if offset > 0:
            wanted |= {"00000000000000000000.log", "00000000000000000000.index",
                       "00000000000000000000.timeindex", "leader-epoch-checkpoint",
                       f"{offset:020}.snapshot"}
        assert files == wanted, (name, files)
    with Started(root / "data") as second:
        address = second.line.split("ready on ")[1].split(",")[0]
        read = subprocess.run([harness.BINARY, "console-consumer", "--bootstrap-server", address,
                               "--topic", "many", "--from-beginning", "--max-messages",
                               str(records)], capture_output=True, text=True, timeout=LINE_SECONDS)
        assert read.stdout == "value\n" * records, read.stderr


def keeps_its_metadata_apart(root):
    """metadata.log.dir need not be one of log.dirs."""
    port, controller_port = harness.free_port(), harness.free_port()
    properties = root / "server.properties"
    properties.write_text(f"process.roles=broker,controller\nnode.id=1\nlog.dirs={root}/records\n"
                          f"metadata.log.dir={root}/metadata\ncontroller.listener.names=CONTROLLER\n"
                          f"controller.quorum.voters=1@localhost:{controller_port}\n"
                          f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n")
    subprocess.run([harness.BINARY, "storage", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", properties],
                   check=True, capture_output=True, timeout=LINE_SECONDS)
    for _ in range(2):
        started = Started(root / "metadata")
        started.command = [harness.BINARY, "server-start", str(properties)]
        with started:
            assert "ready on" in started.line, started.line
            subprocess.run([harness.BINARY, "topics", "--bootstrap-server", f"127.0.0.1:{port}", "--create",
                            "--if-not-exists", "--topic", "kept"], check=True, capture_output=True, timeout=LINE_SECONDS)
    assert "__cluster_metadata-0" in os.listdir(root / "metadata")
    assert "kept-0" in os.listdir(root / "records") and "kept-0" not in os.listdir(root / "metadata")


def a_stray_directory_is_nothing_to_a_new_topic(root):
    """What the checkpoint files say of a directory that was set aside is not believed of a new topic
    with its name (found by the simulator, seed 4031)."""
    with Started(root / "data"):
        pass
    (root / "data" / "ghost-0").mkdir()
    (root / "data" / "log-start-offset-checkpoint").write_text("0\n1\nghost 0 94\n")
    with Started(root / "data") as started:
        tool = [harness.BINARY, None, "--bootstrap-server", started.line.split("ready on ")[1].split(",")[0]]
        for name, words in (("topics", ["--create", "--topic", "ghost"]),
                            ("get-offsets", ["--topic", "ghost", "--time", "earliest"])):
            tool[1] = name
            told = subprocess.run([*tool, *words], capture_output=True, text=True, timeout=LINE_SECONDS)
    assert told.stdout == "ghost:0:0\n", told.stdout + told.stderr


def names_a_used_port(root):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = refused(root / "data", port=taken.getsockname()[1])
    assert "is used by another process" in line, line


def names_a_directory_in_use(root):
    with Started(root / "data"):
        assert "another broker uses this directory" in refused(root / "data")


def formats_nothing_that_another_start_has_locked(root):
    """Two first starts at once: the second would write another cluster's id over that of the first."""
    (root / "data").mkdir()
    with open(root / "data" / ".lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert "another broker uses this directory" in refused(root / "data")
        assert os.listdir(root / "data") == [".lock"], os.listdir(root / "data")
    with Started(root / "data") as node:
        assert "ready on" in node.line, node.line


def one_of_several_first_starts_has_the_directory(root):
    """What belongs together is in it: it starts again. The others say why they do not."""
    starts = [subprocess.Popen(Started(root / "data").command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True) for _ in range(STARTS_AT_ONCE)]
    lines = []
    readers = [threading.Thread(target=lambda start=start: lines.append((start, start.stdout.readline())))
               for start in starts]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(LINE_SECONDS)  # a start that ends without a line has said all it will
    ready = [start for start, line in lines if "ready on" in line]
    for start in starts:
        start.send_signal(signal.SIGTERM)
    said = [(start, start.communicate(timeout=LINE_SECONDS)[1]) for start in starts]
    assert len(ready) == 1, [text for _, text in said]
    assert ready[0].returncode == 0, ready[0].returncode
    for start, text in said:
        assert start in ready or text.startswith("barnabas: ") and text.count("\n") == 1, text
    with Started(root / "data") as again:
        assert "ready on" in again.line, again.line


def names_a_foreign_directory(root):
    (root / "letters").mkdir()
    (root / "letters" / "dear").write_text("x")
    assert "not a data directory" in refused(root / "letters")
    assert os.listdir(root / "letters") == ["dear"]


def finishes_what_a_first_start_that_was_killed_has_begun(root):
    """What it writes before meta.properties is no data; a metadata log, or anything else, is somebody's."""
    first = "00000000000000000000-0000000000.checkpoint"
    left = ["bootstrap.checkpoint", "bootstrap.checkpoint.tmp", "meta.properties.tmp", f"__cluster_metadata-0/{first}",
            f"__cluster_metadata-0/{first}.tmp"]
    for count in range(len(left) + 1):
        directory = root / f"begun{count}"
        (directory / "__cluster_metadata-0").mkdir(parents=True)
        for name in left[:count]:
            (directory / name).write_bytes(b"half")
        with Started(directory) as node:
            assert "ready on" in node.line, node.line
    for name in ("__cluster_metadata-0/00000000000000000000.log", "__cluster_metadata-0/quorum-state",
                 "__cluster_metadata-0/00000000000000000009-0000000001.checkpoint", "t-0/00000000000000000000.log"):
        directory = root / name.replace("/", "-")
        (directory / name).parent.mkdir(parents=True)
        (directory / name).write_bytes(b"data")
        assert "not a data directory" in refused(directory)
        assert (directory / name).read_bytes() == b"data"


def names_a_file_in_the_place_of_a_directory(root):
    (root / "file").write_text("")
    assert "directory" in refused(root / "file")


def names_an_unwritable_directory(root):
    if os.geteuid() == 0:
        target = pathlib.Path("/proc/data")  # root may write everywhere but here
    else:
        target = root / "closed" / "data"
        target.parent.mkdir(mode=0o500)
    assert "cannot make the directory" in refused(target)


def names_the_directory_of_another_node(root):
    with Started(root / "data"):
        pass
    assert "belongs to node 1" in refused(root / "data", "--override", "node.id=7")


def refuses_an_unformatted_directory(root):
    properties = root / "server.properties"
    port, controller_port = harness.free_port(), harness.free_port()
    properties.write_text(f"process.roles=broker,controller\nnode.id=1\nlog.dirs={root}/unformatted\n"
                          f"controller.listener.names=CONTROLLER\n"
                          f"controller.quorum.voters=1@localhost:{controller_port}\n"
                          f"listeners=PLAINTEXT://:{port},CONTROLLER://:{controller_port}\n")
    line = refused(root, command=[harness.BINARY, "server-start", str(properties)])
    assert "meta.properties" in line and "storage format" in line, line


def names_a_bad_setting(root):
    line = refused(root / "data", "--override", "num.partitions=zero")
    assert "num.partitions" in line, line


def turns_away_whom_it_cannot_authenticate(root):
    """A listener that asks for SASL must not be open to everybody."""
    port, closed = harness.free_port(), harness.free_port()
    listeners = (f"listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{closed},"
                 f"CONTROLLER://127.0.0.1:{harness.free_port()}")
    words = [harness.BINARY, "start", "--directory", str(root / "data"), "--override", listeners,
             "--override", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,"
             "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert "ready on" in process.stdout.readline()
        with socket.create_connection(("127.0.0.1", closed), LINE_SECONDS) as client:
            client.sendall(bytes.fromhex("0000000a" "0012" "0000" "00000001" "0000"))
            try:
                assert client.recv(100) == b"", "an answer without a password"
            except ConnectionResetError:
                pass
    finally:
        process.terminate()
    assert "listener SASL_PLAINTEXT: only PLAINTEXT" in process.communicate(timeout=LINE_SECONDS)[1]


def does_not_ignore_an_authorizer(root):
    standard = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    line = refused(root / "data", "--override", f"authorizer.class.name={standard}")
    assert "allow.everyone.if.no.acl.found" in line, line
    line = refused(root / "data", "--override", "authorizer.class.name=com.example.Own")
    assert "com.example.Own" in line and standard in line, line
    line = refused(root / "data", "--override", "create.topic.policy.class.name=com.example.Policy")
    assert "create.topic.policy.class.name" in line and "com.example.Policy" in line, line
    with Started(root / "data", "--override", f"authorizer.class.name={standard}",
                 "--override", "allow.everyone.if.no.acl.found=true") as open_to_all:
        assert "ready on" in open_to_all.line, open_to_all.line


def stops_in_order_on_every_signal_of_apache_kafka(root):
    """SIGTERM, SIGINT and SIGHUP; what is ignored at the start (nohup) stays ignored, as in Java."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # or who runs the tests may have had it ignored for all below
        node = Started(root / "data")
        node.__enter__()
        node.process.send_signal(number)
        assert node.process.wait(LINE_SECONDS) == 0, (number, node.process.returncode)
        assert (root / "data" / ".kafka_cleanshutdown").exists(), number
    command = Started(root / "data").command
    with subprocess.Popen(["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command], stdout=subprocess.PIPE,
                          text=True) as process:
        assert "ready on" in process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        try:
            process.wait(0.3)
            raise AssertionError("it has ended")
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
        assert process.wait(LINE_SECONDS) == 0


def names_a_copy_of_a_log_directory(root):
    """Two of one id, as a copy has it, or one directory under two names."""
    words = ["--override", f"log.dirs={root}/a,{root}/b"]
    with Started(root / "unused", *words):
        pass
    line = refused(root / "unused", "--override", f"log.dirs={root}/a,{root}/a/")
    assert "has the directory.id of" in line, line
    (root / "b" / "meta.properties").write_text((root / "a" / "meta.properties").read_text())
    line = refused(root / "unused", *words)
    assert f"{root}/b has the directory.id of {root}/a" in line, line


def ends_when_it_may_not_register(root):
    """With a metadata.version that only an unstable release has, as Apache Kafka ends then."""
    harness.unhurried(lambda timeout_ms: may_not_register(root / str(timeout_ms), timeout_ms), 500, 20000)


def may_not_register(root, timeout_ms):
    root.mkdir()
    properties = root / "server.properties"
    port, controller_port = harness.free_port(), harness.free_port()
    text = (f"process.roles=broker,controller\nnode.id=1\nlog.dirs={root}/data\n"
            f"controller.listener.names=CONTROLLER\n"
            f"controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}\n"
            f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n"
            f"initial.broker.registration.timeout.ms={timeout_ms}\n")
    properties.write_text(text + "unstable.feature.versions.enable=true\n")
    subprocess.run([harness.BINARY, "storage", "format", "--standalone", "-t", "4L6g3nShT-eMCtK--X86sw",
                    "-c", str(properties), "--feature", "metadata.version=31"], check=True,
                   stdout=subprocess.DEVNULL, timeout=LINE_SECONDS)
    properties.write_text(text)
    done = subprocess.run([harness.BINARY, "server-start", str(properties)], capture_output=True,
                          text=True, timeout=LINE_SECONDS)
    assert (done.returncode, done.stdout) == (1, ""), done
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and lines[0].endswith("UNSUPPORTED_VERSION; trying again"), lines
    assert "initial.broker.registration.timeout.ms" in lines[1], lines


def stops_the_node_that_is_named(root):
    """By its id, which is this test's alone; another id, and what is not known, stops nothing."""
    own, other = 700000 + os.getpid() % 100000, 800000 + os.getpid() % 100000
    with Started(root / "data", "--override", f"node.id={own}") as node:
        for words, out in (([f"--node-id={other}"], "No kafka server to stop\n"), (["--bogus"], "")):
            done = subprocess.run([harness.BINARY, "server-stop", *words], capture_output=True,
                                  text=True, timeout=LINE_SECONDS)
            assert (done.returncode, done.stdout) == (1, out), done
        assert node.process.poll() is None
        done = subprocess.run([harness.BINARY, "server-stop", f"--node-id={own}"],
                              timeout=LINE_SECONDS)
        assert done.returncode == 0, done
        node.process.wait(LINE_SECONDS)


CASES = (keeps_its_metadata_apart, writes_down_its_own_controller_listener, a_stray_directory_is_nothing_to_a_new_topic,
         stops_the_node_that_is_named, turns_away_whom_it_cannot_authenticate, does_not_ignore_an_authorizer,
         begins_and_finds_its_data_again, formats_every_log_directory, many_partitions_are_synced_at_the_end,
         a_reader_that_has_seen_enough_ends_the_consumer_in_order, names_a_used_port, names_a_directory_in_use,
         formats_nothing_that_another_start_has_locked, one_of_several_first_starts_has_the_directory,
         names_a_foreign_directory, finishes_what_a_first_start_that_was_killed_has_begun, names_a_file_in_the_place_of_a_directory,
         names_an_unwritable_directory, names_the_directory_of_another_node,
         refuses_an_unformatted_directory, names_a_bad_setting, names_a_copy_of_a_log_directory,
         stops_in_order_on_every_signal_of_apache_kafka, ends_when_it_may_not_register)


def main():
    failed = 0
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="barnabas-start-") as root:
            try:
                case(pathlib.Path(root))
                print(f"PASS start__{case.__name__}", flush=True)
            except Exception as error:
                failed += 1
                traceback.print_exc()
                print(f"FAIL start__{case.__name__}: {error}", flush=True)
    sys.exit(1 if failed else 0)


main()

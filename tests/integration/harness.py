"""Starts a broker for one test and cleans up after it.

A test is an executable file here. It prints one line a case, `PASS name`, `FAIL name: why` or
`SKIP name: why`, and exits non-zero when a case failed.

Environment: PEER=apache runs the same test against Apache Kafka, started from its jars;
BARNABAS_TEST_BOOTSTRAP=host:port runs it against a broker that is already there (cases that start
and kill brokers skip themselves); BARNABAS_BIN names our binary.
"""
import contextlib
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import uuid

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "peers"))
import install  # noqa: E402  (tests/peers/install.py)

BINARY = os.environ.get("BARNABAS_BIN") or str(TESTS.parent / "build" / "barnabas")
PEER = os.environ.get("PEER", "barnabas")
BOOTSTRAP = os.environ.get("BARNABAS_TEST_BOOTSTRAP")
# After which something hangs, on a machine with a tenth of the speed too, or one that stands still for a while.
PATIENCE_SECONDS = 120
CLIENT_SECONDS = 600
STOP_SECONDS = 120
START_SECONDS = {"barnabas": PATIENCE_SECONDS, "apache": 300}


class Skip(Exception):
    """Ends a case without a verdict; its text is the reason."""


PORTS = range(15001, 32000, 2)
PORTS_AT_ONCE = 20
own_ports, ports_left = [], []  # sockets whose names keep other tests off; ports that are nobody else's


def free_port():
    """Below the ports that the kernel gives to clients, of which other tests have many. Each is given once, to one
    of the tests that run at a time, for a broker that is started, or started again, later. Odd: who masks ports in
    what a program prints does not mean its bounds and times, as 16384 and 30000."""
    while True:
        if not ports_left:
            first = random.randrange(0, len(PORTS), PORTS_AT_ONCE)
            own_ports.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):
                own_ports[-1].bind(f"\0barnabas-test-ports-{first}")
                ports_left.extend(PORTS[first:first + PORTS_AT_ONCE])
            continue
        port = ports_left.pop()
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(condition, seconds=PATIENCE_SECONDS, what="a condition"):
    """Polls until condition() is true and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def unhurried(case, *times):
    """case(time) with the first time, and while it fails with the next, longer one: a short one may be over, where the
    machine stands still, before what it is to outlast. A fault of the product fails with each."""
    for time_ in times[:-1]:
        try:
            return case(time_)
        except AssertionError as error:
            print(f"     once more, since with {time_}: {str(error)[:200]}", flush=True)
    return case(times[-1])


TRIES = 3


def soon(seconds, act, what):
    """act() takes no longer; as the machine may stand still meanwhile, one of three times is enough."""
    for _ in range(TRIES):
        began = time.monotonic()
        result = act()
        took = time.monotonic() - began
        if took < seconds:
            return result
    raise AssertionError(f"{what} took {took:.1f} s, {TRIES} times at least {seconds} s")


SANITIZER = re.compile(r"Sanitizer|runtime error:")


class Broker:
    """One broker process over a data directory of its own."""

    peer = PEER
    launcher = ()  # a command that runs the broker's, as taskset
    java_options = ("-Xmx512m", "-XX:TieredStopAtLevel=1")

    def __init__(self, shards=1, directory=None, overrides=()):
        self.shards = shards
        self.directory = directory or tempfile.mkdtemp(prefix="barnabas-test-")
        self.port = free_port()
        self.controller_port = free_port()
        self.overrides = list(overrides)
        self.process = None

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.output = open(os.path.join(self.directory, "output"), "ab")
        if self.peer == "apache":
            self._start_apache()
        else:
            self._start_ours()
        return self

    def _settings(self):
        return [f"listeners=PLAINTEXT://127.0.0.1:{self.port},"
                f"CONTROLLER://127.0.0.1:{self.controller_port}",
                f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}",
                "group.initial.rebalance.delay.ms=0", "num.partitions=1", *self.overrides]

    def _start_ours(self):
        if not os.path.exists(BINARY):
            raise Skip(f"no binary at {os.path.basename(BINARY)}")
        command = [*self.launcher, BINARY, "start", "--directory", os.path.join(self.directory, "data")]
        for setting in [*self._settings(), f"barnabas.shards={self.shards}"]:
            command += ["--override", setting]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.output)
        line = self._ready_line(START_SECONDS[self.peer])
        if "ready" not in line:
            self.stop()
            raise RuntimeError(f"no ready line but {line!r}: {self.log()[-2000:]}")

    def _start_apache(self):
        jars = f"{peer('java') / 'lib'}/*"
        properties = os.path.join(self.directory, "server.properties")
        lines = ["process.roles=broker,controller", "node.id=1",
                 f"log.dirs={self.directory}/data",
                 f"controller.quorum.bootstrap.servers=127.0.0.1:{self.controller_port}",
                 "controller.listener.names=CONTROLLER",
                 "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                 # What "barnabas start" says for its cluster of one.
                 "offsets.topic.replication.factor=1",
                 "transaction.state.log.replication.factor=1",
                 "transaction.state.log.min.isr=1",
                 "share.coordinator.state.topic.replication.factor=1",
                 "share.coordinator.state.topic.min.isr=1", *self._settings()]
        pathlib.Path(properties).write_text("\n".join(lines) + "\n")
        java = [*self.launcher, "java", *self.java_options, "-cp", jars]
        if not os.path.exists(os.path.join(self.directory, "data")):
            subprocess.run([*java, "kafka.tools.StorageTool", "format", "--standalone", "-t",
                            "4L6g3nShT-eMCtK--X86sw", "-c", properties], check=True,
                           stdout=self.output, stderr=self.output, timeout=START_SECONDS["apache"])
        self.process = subprocess.Popen([*java, "kafka.Kafka", properties], stdout=self.output,
                                        stderr=self.output)
        wait_for(self.answers, START_SECONDS[self.peer], "Apache Kafka to answer")

    def answers(self):
        """Whether Metadata v0 names a broker: Apache Kafka listens before it can serve."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the broker ended: {self.log()[-2000:]}")
        frame = bytes.fromhex("00000010" "0003" "0001" "00000001" "0000" "00000000"
                              .replace(" ", ""))
        frame = len(frame[4:]).to_bytes(4, "big") + frame[4:]
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.sendall(frame)
                answer = connection.recv(4096)
                return len(answer) > 12 and answer[8:12] != b"\0\0\0\0"
        except OSError:
            return False

    def _ready_line(self, seconds):
        os.set_blocking(self.process.stdout.fileno(), False)
        text, deadline = b"", time.monotonic() + seconds
        while b"ready" not in text and time.monotonic() < deadline:
            ready, _, _ = select.select([self.process.stdout], [], [],
                                        max(0, deadline - time.monotonic()))
            piece = (self.process.stdout.read() or b"") if ready else b""
            if ready and not piece:
                break
            text += piece
        return text.decode(errors="replace")

    def log(self):
        with open(os.path.join(self.directory, "output"), errors="replace") as file:
            return file.read()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                if self.peer == "barnabas":
                    raise RuntimeError(f"no end within {STOP_SECONDS} s") from None
        return self.process.returncode if self.process else None

    def tool(self, *arguments, text=None, seconds=PATIENCE_SECONDS):
        """Runs one of our tools: (exit status, stdout, stderr)."""
        done = subprocess.run([BINARY, *arguments], input=text, capture_output=True, text=True,
                              timeout=seconds)
        return done.returncode, done.stdout, done.stderr

    def end_in_order(self):
        """Stops it; it must have lived until now, end by itself, and no sanitizer may have spoken."""
        if not self.alive():
            raise AssertionError(f"the broker ended: {self.log()[-2000:]}")
        status, log = self.stop(), self.log()
        if self.peer == "barnabas" and (status != 0 or SANITIZER.search(log)):
            raise AssertionError(f"the broker ended with status {status}: {log[-4000:]}")

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Running:
    """A broker that somebody else started."""

    bootstrap = BOOTSTRAP

    @property
    def port(self):
        return int(BOOTSTRAP.rsplit(":", 1)[1])

    def alive(self):
        return True

    def log(self):
        return ""


@contextlib.contextmanager
def broker(**options):
    if BOOTSTRAP:
        yield Running()
        return
    started = Broker(**options)
    try:
        yield started.start()
        started.end_in_order()
    finally:
        started.remove()


def own_broker(**options):
    """A broker that the case may kill."""
    if BOOTSTRAP:
        raise Skip("needs a broker of its own")
    return Broker(**options)


class ControlGroup:
    """A control group of its own with a bound on memory: version 2, or 1 where that has the memory."""

    ROOT = pathlib.Path("/sys/fs/cgroup")
    VERSIONS = ((ROOT, "memory.max", "memory.events"),
                (ROOT / "memory", "memory.limit_in_bytes", "memory.oom_control"))

    def __init__(self, limit):
        reasons = []
        for root, limit_file, self.events in self.VERSIONS:
            self.path = root / f"barnabas-test-{uuid.uuid4().hex[:10]}"
            try:
                if not (root / "cgroup.procs").exists():
                    raise OSError(f"{root} is no control group")
                if limit_file == "memory.max":
                    (root / "cgroup.subtree_control").write_text("+memory")
                self.path.mkdir()
                (self.path / limit_file).write_text(str(limit))
                return
            except OSError as error:
                reasons.append(str(error))
                self.remove()
        raise Skip(f"no control group can be made: {'; '.join(reasons)[:200]}")

    @property
    def launcher(self):
        """A command that runs another one in the group."""
        return ("sh", "-c", f'echo $$ >{self.path}/cgroup.procs && exec "$@"', "sh")

    def killed(self):
        """How many processes of the group the kernel ended for want of memory."""
        found = re.search(r"^oom_kill (\d+)$", (self.path / self.events).read_text(), re.M)
        if not found:
            raise Skip("the kernel does not count what it kills")
        return int(found[1])

    def remove(self):
        """Its processes have ended, or are about to."""
        with contextlib.suppress(FileNotFoundError, AssertionError):
            wait_for(self._removed, 5, "the control group to be empty")

    def _removed(self):
        try:
            self.path.rmdir()
        except FileNotFoundError:
            raise
        except OSError:
            return False
        return True


def shard_counts():
    """Apache Kafka has no shards: once is enough."""
    return (1,) if PEER == "apache" or BOOTSTRAP else (1, 3)


def peer(name):
    try:
        return install.folder(name)
    except install.Unavailable as why:
        raise Skip(str(why)) from why


def run(cases):
    """Runs (name, function) pairs and exits with the result."""
    failed = 0
    for name, function in cases:
        try:
            function()
            print(f"PASS {name}", flush=True)
        except Skip as reason:
            print(f"SKIP {name}: {reason}", flush=True)
        except Exception as error:  # every failure of a case is its result
            failed += 1
            traceback.print_exc()
            why = (str(error) or type(error).__name__).splitlines()[0][:300]
            print(f"FAIL {name}: {why}", flush=True)
    sys.exit(1 if failed else 0)


def run_client(name, command):
    """Runs a client program against each number of shards and passes its verdicts on.

    command() gives the program and its first arguments; bootstrap and a prefix for the names of
    topics follow. The program prints PASS and FAIL lines and `done` when it got to its end.
    """
    failed = 0
    for shards in shard_counts():
        suffix = f"with_{shards}_shard{'s' if shards > 1 else ''}"
        try:
            words = command()
            with broker(shards=shards) as running:
                failed += _client_once(words, running, f"{name}__", suffix)
        except Skip as reason:
            print(f"SKIP {name}__{suffix}: {reason}", flush=True)
        except Exception as error:  # a broker that does not start is a failure too
            failed += 1
            traceback.print_exc()
            print(f"FAIL {name}__{suffix}: {(str(error) or 'no text').splitlines()[0][:300]}",
                  flush=True)
    sys.exit(1 if failed else 0)


def _client_once(words, running, prefix, suffix):
    topics = f"t{uuid.uuid4().hex[:8]}"
    process = subprocess.Popen([*words, running.bootstrap, topics], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        text, _ = process.communicate(timeout=CLIENT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        text = process.communicate()[0] + "\nFAIL ends: took too long\n"
    verdicts = re.findall(r"^(PASS|FAIL|SKIP) (\w+)(.*)$", text, re.M)
    for verdict, case, rest in verdicts:
        print(f"{verdict} {prefix}{case}_{suffix}{rest[:300]}", flush=True)
    failed = sum(verdict == "FAIL" for verdict, _, _ in verdicts)
    if "\ndone" not in text and not failed:
        failed = 1
        print(f"FAIL {prefix}ends_{suffix}: exit status {process.returncode}", flush=True)
    if failed:
        print(text[-6000:], file=sys.stderr)
        print(running.log()[-2000:], file=sys.stderr)
    return failed

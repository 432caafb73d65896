#!/usr/bin/env python3
"""Groups of the consumer protocol (KIP-848) with real clients: Java, librdkafka and franz-go join, leave, come
back and change their protocol, and the broker is killed in the midst of it. No partition has two owners at
once, each has one once the group has settled, and every record is read."""
import functools
import re
import socket
import subprocess
import sys
import threading
import time
import uuid

import harness

PARTITIONS = 6
QUICK = ("group.consumer.min.heartbeat.interval.ms=100", "group.consumer.heartbeat.interval.ms=300",
         "group.consumer.min.session.timeout.ms=1000", "group.consumer.session.timeout.ms=45000",
         "group.min.session.timeout.ms=1000", "group.consumer.assignment.interval.ms=200")


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, expected {wanted!r}")


class Voices:
    """Lines of several processes in the order in which they were said, which is lost where each has its own pipe:
    hear(name, line) is called with each."""

    def __init__(self, hear):
        self.hear, self.halves, self.names = hear, {}, {}
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ear.bind(self.new_name())
        threading.Thread(target=self._listen, daemon=True).start()

    def mouth(self, name):
        """The standard output of a process of that name."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.bind(self.new_name())
        made.connect(self.ear.getsockname())
        self.names[made.getsockname()] = name
        return made

    @staticmethod
    def new_name():
        return f"\0barnabas-test-{uuid.uuid4().hex}"

    def end(self):
        self.ear.shutdown(socket.SHUT_RDWR)

    def _listen(self):
        while True:
            text, source = self.ear.recvfrom(1 << 20)
            if not text:
                return
            *lines, self.halves[source] = (self.halves.get(source, b"") + text).split(b"\n")
            for line in lines:
                self.hear(self.names[source], line.decode().strip())


class Group:
    """Members of all clients, what they own now, and every value that was read."""

    def __init__(self, broker, group="g"):
        self.broker, self.group = broker, group
        self.owned, self.values, self.wrong = {}, set(), []
        self.errors, self.gone, self.dead, self.processes = [], set(), set(), {}
        self.lock = threading.Lock()
        self.voices = Voices(self.hear_line)
        self.java = None

    # ---- what members say ----

    def owns(self, name, partitions):
        with self.lock:
            for other, theirs in self.owned.items():
                if other != name and theirs & partitions:
                    self.wrong.append(f"{name} and {other} both own {sorted(theirs & partitions)}")
            self.owned[name] = set() if name in self.dead else set(partitions)

    def gives_up(self, name, partitions=None):
        with self.lock:
            mine = self.owned.get(name, set())
            self.owned[name] = set() if partitions is None else mine - partitions

    def hear(self, name, what, rest):
        partitions = {word for word in rest.split(",") if word}
        if what == "assigned":
            self.owns(name, self.owned.get(name, set()) | partitions)
        elif what in ("revoked", "lost"):
            self.gives_up(name, partitions)
        elif what == "record":
            self.values.add(rest.rsplit(" ", 1)[1])
        elif what in ("left", "closed"):
            self.gives_up(name)
            self.gone.add(name)
        elif what == "error":
            self.errors.append(f"{name}: {rest}")

    def hear_line(self, name, line):
        what, _, rest = line.partition(" ")
        if name is None:
            name, _, rest = rest.partition(" ")
        self.hear(name, what, rest)

    def _start(self, command, name=None):
        """Without a name it has members of several."""
        with self.voices.mouth(name) as said:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.DEVNULL, text=True)

    # ---- members ----

    def join_java(self, name, subscription, protocol="consumer", instance="-", **settings):
        if self.java is None:
            folder = harness.peer("java")
            self.java = self._start(["java", "-XX:TieredStopAtLevel=1", "-cp",
                                     f"{folder}/classes:{folder}/lib/*", "GroupMember",
                                     self.broker.bootstrap])
        words = [f"{key.replace('_', '.')}={value}" for key, value in settings.items()]
        self._say(" ".join(["join", name, protocol, self.group, instance, subscription, *words]))

    def _say(self, line):
        self.java.stdin.write(line + "\n")
        self.java.stdin.flush()

    def leave_java(self, name):
        self._say(f"leave {name}")
        harness.wait_for(lambda: name in self.gone, what=f"{name} to leave")
        self.gone.discard(name)

    def join_librdkafka(self, name, topic, protocol="consumer", **settings):
        words = {"bootstrap.servers": self.broker.bootstrap, "group.id": self.group,
                 "group.protocol": protocol, "auto.offset.reset": "earliest",
                 "auto.commit.interval.ms": "500", "topic.metadata.refresh.interval.ms": "1000"}
        words.update({key.replace("_", "."): value for key, value in settings.items()})
        self.processes[name] = self._start(
            [str(harness.peer("python") / "bin/python"),
             str(harness.TESTS / "peers/python/group_member.py"), topic, "3600",
             *(f"{key}={value}" for key, value in words.items())], name)

    def join_franz_go(self, name, topic):
        self.processes[name] = self._start([str(harness.peer("go") / "client"), "member",
                                            self.broker.bootstrap, self.group, topic], name)

    def leave_process(self, name):
        self.processes[name].terminate()
        harness.wait_for(lambda: name in self.gone, what=f"{name} to leave")
        self.gone.discard(name)
        self.processes.pop(name).wait(harness.PATIENCE_SECONDS)

    def die(self, name):
        """Without a word; what it has said is heard."""
        self.processes[name].kill()
        self.processes.pop(name).wait()
        with self.lock:
            self.dead.add(name)
            self.owned[name] = set()

    def end(self):
        for process in self.processes.values():
            process.kill()
        if self.java is not None:
            self.java.stdin.close()
            try:
                self.java.wait(harness.PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.java.kill()
        self.voices.end()

    # ---- what must come of it ----

    def settled(self, names, partitions):
        with self.lock:
            owned = [self.owned.get(name, set()) for name in names]
            return set().union(*owned) == partitions and sum(map(len, owned)) == len(partitions)

    def settle(self, names, topic, count=PARTITIONS, least=1):
        partitions = {f"{topic}-{i}" for i in range(count)}
        try:
            harness.wait_for(lambda: self.settled(names, partitions) and
                             all(len(self.owned.get(name, ())) >= least for name in names),
                             what="the group to settle")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.owned}, errors {self.errors[-3:]}") from error
        check(self.wrong, [], "partitions with two owners")

    def read(self, values):
        harness.wait_for(lambda: values <= self.values, what=f"{len(values)} values")


def create(broker, topic, partitions=PARTITIONS):
    status, _, text = broker.tool("topics", "--bootstrap-server", broker.bootstrap, "--create",
                                  "--topic", topic, "--partitions", str(partitions))
    check(status, 0, f"topics --create: {text}")


def write(broker, topic, count, tag):
    values = {f"{tag}-{i}" for i in range(count)}
    status, _, text = broker.tool("console-producer", "--bootstrap-server", broker.bootstrap,
                                  "--topic", topic, "--producer-property", "linger.ms=0",
                                  "--producer-property", "batch.size=64",
                                  text="".join(f"{value}\n" for value in sorted(values)))
    check(status, 0, f"console-producer: {text}")
    return values


def group_type(broker, group):
    _, text, _ = broker.tool("consumer-groups", "--bootstrap-server", broker.bootstrap, "--list",
                             "--type")
    found = re.search(rf"^{group}\s+(\w+)", text, re.M)
    return found[1].lower() if found else text


class Case:
    def __init__(self, shards, overrides=()):
        self.broker = harness.own_broker(shards=shards, overrides=[*QUICK, *overrides])
        self.group = Group(self.broker)
        self.topic = f"t{uuid.uuid4().hex[:6]}"

    def __enter__(self):
        self.broker.start()
        create(self.broker, self.topic)
        return self

    def __exit__(self, kind, *_):
        self.group.end()
        if kind is None:
            self.broker.end_in_order()
        self.broker.remove()

    def kill(self):
        self.broker.kill()
        self.broker.start()


# ---- cases ----

def members_come_and_go(shards):
    with Case(shards, ["group.consumer.session.timeout.ms=12000"]) as case:  # of one that dies
        group, topic = case.group, case.topic
        values = write(case.broker, topic, 60, "first")
        group.join_java("one", f"names:{topic}")
        group.settle(["one"], topic)
        group.join_java("two", f"names:{topic}")
        group.settle(["one", "two"], topic, least=3)
        group.join_librdkafka("three", topic)
        group.settle(["one", "two", "three"], topic, least=2)
        values |= write(case.broker, topic, 60, "second")
        group.read(values)
        group.leave_java("one")
        group.settle(["two", "three"], topic, least=3)
        group.die("three")
        group.settle(["two"], topic)
        group.join_librdkafka("four", topic)
        group.settle(["two", "four"], topic, least=3)
        group.leave_process("four")
        values |= write(case.broker, topic, 60, "third")
        group.settle(["two"], topic)
        group.read(values)
        check(group.errors, [], "errors of members")


def franz_go_is_a_member_too(shards):
    with Case(shards) as case:
        group, topic = case.group, case.topic
        values = write(case.broker, topic, 60, "first")
        group.join_franz_go("one", topic)
        group.settle(["one"], topic)
        check(group_type(case.broker, "g"), "consumer", "type of the group")
        group.join_java("two", f"names:{topic}")
        group.settle(["one", "two"], topic, least=3)
        group.join_franz_go("three", topic)
        group.settle(["one", "two", "three"], topic, least=2)
        case.kill()
        values |= write(case.broker, topic, 60, "second")
        group.leave_process("three")
        group.settle(["one", "two"], topic, least=3)
        group.read(values)
        check(group.errors, [], "errors of members")


def broker_is_killed_in_the_midst(shards):
    with Case(shards) as case:
        group, topic = case.group, case.topic
        values = write(case.broker, topic, 60, "first")
        group.join_java("one", f"names:{topic}")
        group.join_librdkafka("two", topic)
        group.settle(["one", "two"], topic, least=3)
        case.kill()
        values |= write(case.broker, topic, 60, "second")
        group.settle(["one", "two"], topic, least=3)
        group.join_java("three", f"names:{topic}")
        time.sleep(0.4)  # somewhere within the rebalance, wherever that is
        case.kill()
        group.settle(["one", "two", "three"], topic, least=2)
        group.leave_java("one")
        case.kill()
        values |= write(case.broker, topic, 60, "third")
        group.settle(["two", "three"], topic, least=3)
        group.read(values)
        check(group.errors, [], "errors of members")


def static_member_keeps_its_partitions(shards):
    with Case(shards) as case:
        group, topic = case.group, case.topic
        group.join_java("one", f"names:{topic}", instance="i1")
        group.join_java("two", f"names:{topic}", instance="i2")
        group.settle(["one", "two"], topic, least=3)
        had = set(group.owned["one"])
        group.leave_java("one")
        case.kill()
        group.join_java("again", f"names:{topic}", instance="i1")
        group.settle(["again", "two"], topic, least=3)
        check(group.owned["again"], had, "partitions of the static member")
        # Whoever comes under an instance id that is in use is turned away.
        group.join_java("false", f"names:{topic}", instance="i2")
        harness.wait_for(lambda: any("UnreleasedInstanceId" in error for error in group.errors),
                         what="the second of an instance to be refused")
        group.settle(["again", "two"], topic, least=3)


def expression_follows_the_topics(shards):
    with Case(shards) as case:
        group, topic = case.group, case.topic
        create(case.broker, f"x{topic}", 2)
        group.join_java("one", f"regex:{topic}.*")
        group.settle(["one"], topic)
        values = write(case.broker, topic, 30, "old")
        create(case.broker, f"{topic}new", 2)
        values |= write(case.broker, f"{topic}new", 30, "new")
        wanted = ({f"{topic}-{i}" for i in range(PARTITIONS)} |
                  {f"{topic}new-{i}" for i in range(2)})
        harness.wait_for(lambda: group.owned.get("one") == wanted, what="the new topic to come")
        group.read(values)
        # The expression of librdkafka, which has another mark for it.
        group.join_librdkafka("two", f"^{topic}.*")
        harness.wait_for(lambda: group.settled(["one", "two"], wanted) and group.owned.get("two"),
                         what="both to have some")
        check(group.wrong, [], "partitions with two owners")


def group_changes_its_protocol(shards, client, kill):
    with Case(shards) as case:
        group, topic = case.group, case.topic
        old = {"partition_assignment_strategy":
               "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"}
        group.join_java("old1", f"names:{topic}", protocol="classic", **old)
        group.join_java("old2", f"names:{topic}", protocol="classic", **old)
        group.settle(["old1", "old2"], topic, least=3)
        check(group_type(case.broker, "g"), "classic", "type of the group")
        values = write(case.broker, topic, 60, "classic")
        join = {"java": lambda name: group.join_java(name, f"names:{topic}"),
                "librdkafka": lambda name: group.join_librdkafka(name, topic)}[client]
        leave = {"java": group.leave_java, "librdkafka": group.leave_process}[client]
        join("new1")
        if kill:
            time.sleep(0.5)  # in the midst of the change, wherever that is
            case.kill()
        group.settle(["old1", "old2", "new1"], topic, least=2)
        check(group_type(case.broker, "g"), "consumer", "type of the group")
        group.leave_java("old1")
        group.settle(["old2", "new1"], topic, least=3)
        group.leave_java("old2")
        group.settle(["new1"], topic)
        values |= write(case.broker, topic, 60, "consumer")
        group.read(values)
        # And back.
        group.join_java("old3", f"names:{topic}", protocol="classic", **old)
        group.settle(["old3", "new1"], topic, least=3)
        leave("new1")
        if kill:
            case.kill()
        group.settle(["old3"], topic)
        harness.wait_for(lambda: group_type(case.broker, "g") == "classic",
                         what="the group to be a classic one again")
        values |= write(case.broker, topic, 60, "again")
        group.read(values)
        check(group.errors, [], "errors of members")


def policy_forbids_it(shards):
    with Case(shards, ["group.consumer.migration.policy=disabled"]) as case:
        group, topic = case.group, case.topic
        group.join_java("old", f"names:{topic}", protocol="classic")
        group.settle(["old"], topic)
        group.join_java("new", f"names:{topic}")
        harness.wait_for(lambda: any(error.startswith("new") for error in group.errors),
                         what="the member of the other protocol to be refused")
        group.settle(["old"], topic)
        check(group_type(case.broker, "g"), "classic", "type of the group")


GROUP, BROKER, SET, INVALID_CONFIG, UNKNOWN_MEMBER = 32, 4, 0, 40, 25
UNSUPPORTED_VERSION = 35


def alter(connection, kind, name, setting, value):
    """Sets it and gives the error."""
    return connection.ask("IncrementalAlterConfigs", 1, {"resources": [{
        "resourceType": kind, "resourceName": name, "configs": [
            {"name": setting, "configOperation": SET, "value": value}]}]})["responses"][0]["errorCode"]


def settings_of_a_group_act(shards):
    import transactions  # requests of any API
    long_ms = "group.consumer.max.assignment.interval.ms=900000"
    with Case(shards, [long_ms]) as case:
        connection = transactions.Wire(case.broker.port)

        def beat(member, epoch):
            first = {"rebalanceTimeoutMs": 60000, "subscribedTopicNames": [case.topic],
                     "topicPartitions": []} if epoch == 0 else {}
            return connection.ask("ConsumerGroupHeartbeat", 1, {
                "groupId": "g", "memberId": member, "memberEpoch": epoch, **first})

        harness.wait_for(lambda: connection.ask("FindCoordinator", 4, {
            "coordinatorKeys": ["g"]})["coordinators"][0]["errorCode"] == 0, what="the coordinator")
        one = harness.wait_for(lambda: (lambda told: told if told["errorCode"] == 0 else None)(
            beat("one", 0)), what="the first member")
        check(one["heartbeatIntervalMs"], 300, "the broker's interval")
        check(alter(connection, GROUP, "g", "consumer.heartbeat.interval.ms", "700"), 0, "alter")
        harness.wait_for(lambda: beat("one", one["memberEpoch"])["heartbeatIntervalMs"] == 700,
                         what="the group's interval")
        check(alter(connection, GROUP, "g", "consumer.session.timeout.ms", "500"), INVALID_CONFIG,
              "a session below the broker's bound")
        check(alter(connection, BROKER, "", "group.consumer.assignment.interval.ms", "900000"), 0, "alter")
        two = harness.wait_for(lambda: beat("two", 0), what="another")
        check((two["errorCode"], two["memberEpoch"]), (0, one["memberEpoch"]),
              "the epoch of a member that joins within the interval")
        check(alter(connection, GROUP, "g", "consumer.assignment.interval.ms", "0"), 0, "alter")
        harness.wait_for(lambda: beat("two", two["memberEpoch"])["memberEpoch"] > one["memberEpoch"],
                         what="the group's own interval")
        told = connection.ask("DescribeConfigs", 4, {"resources": [{
            "resourceType": GROUP, "resourceName": "g", "configurationKeys": None}]})["results"][0]["configs"]
        check({item["name"]: item["value"] for item in told if item["configSource"] == 8},
              {"consumer.heartbeat.interval.ms": "700", "consumer.assignment.interval.ms": "0"}, "settings")
        check(alter(connection, GROUP, "g", "consumer.session.timeout.ms", "1500"), 0, "alter")
        beat("three", 0)  # its session is the new one
        harness.wait_for(lambda: all(member["memberId"] != "three" for member in connection.ask(
            "ConsumerGroupDescribe", 1, {"groupIds": ["g"]})["groups"][0]["members"]), 30,
            "the end of a session, for less than the broker's")
        check(beat("three", 1)["errorCode"], UNKNOWN_MEMBER, "a member after the group's session")
        connection.close()


def a_setting_turns_it_off(shards):
    """The APIs are there, and refuse without a word more."""
    import transactions
    with Case(shards, ["group.coordinator.rebalance.protocols=classic"]) as case:
        connection = transactions.Wire(case.broker.port)
        beat = connection.ask("ConsumerGroupHeartbeat", 1, {
            "groupId": "g", "memberId": "one", "memberEpoch": 0, "rebalanceTimeoutMs": 60000,
            "subscribedTopicNames": [case.topic], "topicPartitions": []})
        check((beat["errorCode"], beat["errorMessage"]), (UNSUPPORTED_VERSION, None), "heartbeat")
        told = connection.ask("ConsumerGroupDescribe", 1, {"groupIds": ["g", "h"]})["groups"]
        check([(group["groupId"], group["errorCode"], group["errorMessage"]) for group in told],
              [("g", UNSUPPORTED_VERSION, None), ("h", UNSUPPORTED_VERSION, None)], "describe")
        connection.close()


def rebalances_are_told(shards):
    if harness.PEER == "apache":
        raise harness.Skip("its log is another one")
    with Case(shards) as case:
        group, topic = case.group, case.topic
        group.join_java("one", f"names:{topic}")
        group.settle(["one"], topic)
        group.join_java("two", f"names:{topic}")
        group.settle(["one", "two"], topic, least=3)

        def told():
            return re.findall(r'^rebalance group="g" epoch=(\d+) trigger="a member joins: \S+" '
                              r'took_ms=\d+ members=(\d+) partitions_moved=(\d+)$', case.broker.log(), re.M)
        harness.wait_for(lambda: told()[-1:] and told()[-1][1] == "2", what="the last rebalance to be told")
        check(told()[0], ("2", "1", "6"), "the first rebalance")
        check(told()[-1][1:], ("2", "3"), "members and moves of the last one")


def cases():
    for shards in harness.shard_counts():
        for function in (members_come_and_go, franz_go_is_a_member_too, broker_is_killed_in_the_midst,
                         static_member_keeps_its_partitions, expression_follows_the_topics,
                         policy_forbids_it, settings_of_a_group_act, a_setting_turns_it_off,
                         rebalances_are_told):
            yield f"consumer_groups__{function.__name__}_{shards}", functools.partial(function, shards)
        for client in ("java", "librdkafka"):
            for kill in (False, True):
                name = f"{client}{'_through_a_kill' if kill else ''}"
                yield (f"consumer_groups__group_changes_its_protocol_{name}_{shards}",
                       functools.partial(group_changes_its_protocol, shards, client, kill))


if __name__ == "__main__":
    words = sys.argv[1:]
    harness.run([case for case in cases() if not words or any(word in case[0] for word in words)])

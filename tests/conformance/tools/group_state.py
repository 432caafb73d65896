"""Groups in every state, made by the protocol, for the tools that look at them.

Members have sessions that are longer than the run, so that nobody need send heartbeats. Topics: "g" of
three partitions with ten, five and no records, a second apart, "g-more" of one with three, and "g-many" of
forty. The names of groups are such that a Java map has them in one order only, however it came about.
"""
import pathlib
import struct
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "differential"))

SETTINGS = [f"group.{kind}.{name}session.timeout.ms=600000" for kind in ("consumer", "share", "streams")
            for name in ("", "max.")]
LONG_MS = 600000
FIRST_MS = 1600000000000  # 2020-09-13T12:26:40Z
PATIENCE = {3, 5, 6, 14, 15, 16}   # while leaders and the coordinator are found and load
MEMBER_ID_REQUIRED = 79
COUNTS = {("g", 0): 10, ("g", 1): 5, ("g-more", 0): 3}


def subscription(*names):
    return struct.pack(">hi", 0, len(names)) + b"".join(
        struct.pack(">h", len(name)) + name.encode() for name in names) + struct.pack(">i", -1)


def assignment(**topics):
    out = struct.pack(">hi", 0, len(topics))
    for name, partitions in topics.items():
        out += struct.pack(">h", len(name)) + name.encode()
        out += struct.pack(f">i{len(partitions)}i", len(partitions), *partitions)
    return out + struct.pack(">i", -1)


class Maker:
    """Asks one broker until it answers without an error."""

    def __init__(self, broker):
        import codec
        import harness
        import sides
        self.open = lambda: sides.Side(codec.Apis(harness.peer("java") / "lib"), broker)
        self.side = self.open()

    def ask(self, api, version, values, errors=(), code=lambda answer: answer["errorCode"]):
        for _ in range(2000):
            answer = self.side.ask(api, version, values)
            if code(answer) not in PATIENCE:
                assert code(answer) in (0, *errors), (api, answer)
                return answer
            time.sleep(0.05)
        raise AssertionError(f"{api}: {answer}")

    def topics(self):
        first = lambda name: lambda answer: answer[name][0]["errorCode"]  # noqa: E731
        self.ask("CreateTopics", 7, {"topics": [
            {"name": name, "numPartitions": count, "replicationFactor": 1, "configs": [
                {"name": "retention.ms", "value": "-1"}]} for name, count in (("g", 3), ("g-more", 1), ("g-many", 40))],
            "timeoutMs": 9000}, code=first("topics"))
        import wirecodec
        for (name, partition), count in COUNTS.items():
            for i in range(count):
                data = wirecodec.batch([b"x"], timestamp=FIRST_MS + i * 1000)
                self.ask("Produce", 11, {"acks": -1, "timeoutMs": 9000, "topicData": [
                    {"name": name, "partitionData": [{"index": partition, "records": data}]}]},
                    code=lambda answer: answer["responses"][0]["partitionResponses"][0]["errorCode"])
        self.ask("FindCoordinator", 4, {"coordinatorKeys": ["any"]}, code=first("coordinators"))

    def join_values(self, group, member="", instance=None, kind="consumer", names=("g",)):
        return {"groupId": group, "sessionTimeoutMs": LONG_MS, "rebalanceTimeoutMs": LONG_MS,
                "memberId": member, "groupInstanceId": instance, "protocolType": kind,
                "protocols": [{"name": "range", "metadata": subscription(*names)}]}

    def joined(self, group, **more):
        """A member that waits for its assignment: (id, generation)."""
        told = self.ask("JoinGroup", 9, self.join_values(group, **more), (MEMBER_ID_REQUIRED,))
        if told["errorCode"]:
            told = self.ask("JoinGroup", 9, self.join_values(group, told["memberId"], **more))
        return told["memberId"], told["generationId"]

    def stable(self, group, instance=None, kind="consumer", names=("g",), **topics):
        member, generation = self.joined(group, instance=instance, kind=kind, names=names)
        self.ask("SyncGroup", 5, {
            "groupId": group, "generationId": generation, "memberId": member, "groupInstanceId": instance,
            "protocolType": kind, "protocolName": "range",
            "assignments": [{"memberId": member, "assignment": assignment(**topics)}]})
        return member, generation

    def leave(self, group, member):
        self.ask("LeaveGroup", 5, {"groupId": group, "members": [{"memberId": member}]})

    def commit(self, group, offsets, member="", generation=-1):
        """offsets: {(topic, partition): offset}; an epoch with those of "g"."""
        self.ask("OffsetCommit", 9, {
            "groupId": group, "generationIdOrMemberEpoch": generation, "memberId": member, "topics": [
                {"name": name, "partitions": [{"partitionIndex": partition, "committedOffset": offset,
                                               "committedLeaderEpoch": 0 if name == "g" else -1}]}
                for (name, partition), offset in offsets.items()]},
            code=lambda answer: answer["topics"][0]["partitions"][0]["errorCode"])

    def consumer(self, group, member, epoch=0, names=("g",), version=1, **more):
        """A heartbeat of the newer protocol: the epoch."""
        told = self.ask("ConsumerGroupHeartbeat", version, {
            "groupId": group, "memberId": member, "memberEpoch": epoch, "rebalanceTimeoutMs": LONG_MS,
            "subscribedTopicNames": list(names), "topicPartitions": [], **more})
        return told["memberEpoch"]


def classic(broker):
    """Groups of the classic protocol, and of none."""
    maker = Maker(broker)
    maker.topics()
    member, generation = maker.stable("stable", g=[0, 1])
    maker.commit("stable", {("g", 0): 4, ("g", 1): 5, ("g-more", 0): 1}, member, generation)
    maker.stable("stable-bare-a", g=[2])
    member, generation = maker.stable("static", "instance-one", g=[0, 1, 2], names=("g", "g-more"), **{"g-more": [0]})
    maker.commit("static", {("g", 2): 0}, member, generation)
    member, generation = maker.stable("empty", g=[0])
    maker.leave("empty", member)
    maker.commit("empty", {("g", 0): 7, ("g", 1): 2, ("g", 2): 0, ("g-more", 0): 3})
    maker.leave("empty-bare", maker.stable("empty-bare", g=[0])[0])
    for name in ("simple", "simple-two-d", "to-delete-a", "to-delete-two", "a-group-with-a-very-long-name-indeed-a"):
        maker.commit(name, {("g", 0): 3, ("g-more", 0): 9})
    maker.joined("completing")
    maker.stable("preparing-a", "first", g=[0])
    waiting = maker.open()
    waiting.ask("JoinGroup", 9, maker.join_values("preparing-a", "", "second"), answers=False)
    maker.stable("other-protocol", kind="connect", g=[])
    maker.side.close()
    broker.waits = waiting  # its socket stays open as long as the broker is known


def consumer(broker):
    """Groups of the newer protocol."""
    maker = Maker(broker)
    epoch = maker.consumer("new-e", "member-one")
    maker.commit("new-e", {("g", 0): 6}, "member-one", epoch)
    epoch = maker.consumer("new-two-c", "member-a", instanceId="instance-a")
    maker.consumer("new-two-c", "member-b", names=("g-more",))
    maker.consumer("new-empty-h", "member-gone")
    maker.commit("new-empty-h", {("g", 0): 1, ("g", 2): 0}, "member-gone", epoch)
    maker.consumer("new-empty-h", "member-gone", -1)
    maker.consumer("mixed-a", "member-new")
    maker.joined("mixed-a")
    maker.side.close()


def strangers(broker):
    """Groups of other kinds."""
    maker = Maker(broker)
    maker.ask("ShareGroupHeartbeat", 1, {"groupId": "shared-d", "memberId": "member-shared", "memberEpoch": 0,
                                         "subscribedTopicNames": ["g"]})
    maker.ask("StreamsGroupHeartbeat", 0, {
        "groupId": "streaming-j", "memberId": "member-streaming", "memberEpoch": 0, "rebalanceTimeoutMs": LONG_MS,
        "processId": "process", "activeTasks": [], "standbyTasks": [], "warmupTasks": [],
        "topology": {"epoch": 0, "subtopologies": [{
            "subtopologyId": "0", "sourceTopics": ["g"], "sourceTopicRegex": [], "stateChangelogTopics": [],
            "repartitionSinkTopics": [], "repartitionSourceTopics": [], "copartitionGroups": []}]}})
    maker.side.close()

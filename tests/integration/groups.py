#!/usr/bin/env python3
"""kafka-consumer-groups and kafka-groups of ours: what they print, to the blank, and the way from a plan
back to a plan. tests/conformance/tools.py compares them with Apache Kafka's; this needs no Java."""
import pathlib
import struct
import tempfile

import harness
import wirecodec as wire

OFFSET_COMMIT, JOIN_GROUP, SYNC_GROUP, FIND_COORDINATOR = 8, 11, 14, 10
LOADING = {14, 15, 16}


def expect(running, words, out, err="", status=0):
    found = running.tool(*words.split())
    found = (found[0], found[1].replace(str(running.port), "PORT"), found[2])
    if found != (status, out, err):
        raise AssertionError(f"{words}:\n{found[0]}\n{found[1]}\n{found[2]}\nexpected:\n{status}\n{out}\n{err}")


def patiently(ask, code):
    def tried():
        answer = ask()
        return None if code(answer) in LOADING else (answer,)
    return harness.wait_for(tried, what="the coordinator")[0]


def make_topic(client):
    client.create_topic("t", 2)
    client.await_leaders("t", 2)
    for partition, count in ((0, 10), (1, 4)):
        code, _ = client.produce("t", wire.batch([b"x"] * count), partition)
        assert code == 0, code
    body = wire.string("g") + b"\0"

    def find():
        reader = client.ask(FIND_COORDINATOR, body, 1)
        reader.take("i")
        return reader.take("h")
    patiently(find, lambda code: code)


def join_static(client, group, instance):
    """A member with an instance id and an assignment, by JoinGroup v5 and SyncGroup v3."""
    metadata = struct.pack(">hi", 0, 1) + wire.string("t") + struct.pack(">i", -1)
    body = (wire.string(group) + struct.pack(">ii", 600000, 600000) + wire.string("") + wire.string(instance)
            + wire.string("consumer") + wire.array([wire.string("range") + wire.blob(metadata)]))

    def join():
        reader = client.ask(JOIN_GROUP, body, 5)
        _, code, generation = reader.take("ihi")
        reader.string(), reader.string()
        return code, generation, reader.string()
    code, generation, member = patiently(join, lambda answer: answer[0])
    assert code == 0, code
    given = (struct.pack(">hi", 0, 1) + wire.string("t") + struct.pack(">iii", 2, 0, 1)
             + struct.pack(">i", -1))
    reader = client.ask(SYNC_GROUP, wire.string(group) + struct.pack(">i", generation) + wire.string(member)
                        + wire.string(instance) + wire.array([wire.string(member) + wire.blob(given)]), 3)
    assert reader.take("ih")[1] == 0
    return member


def tables_to_the_blank():
    with harness.broker() as running, wire.Connection(running.port) as client:
        make_topic(client)
        server = f"--bootstrap-server {running.bootstrap}"
        groups = f"consumer-groups {server}"
        expect(running, f"{groups} --list", "")
        expect(running, f"groups {server} --list", f"{'GROUP':20} {'TYPE':20} {'PROTOCOL':20}\n")
        expect(running, f"{groups} --reset-offsets --group g --topic t --to-offset 3 --execute",
               "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n"
               "g               t               1          3\n"
               "g               t               0          3\n")
        expect(running, f"{groups} --list --state --type",
               f"{'GROUP':25} {'TYPE':20} {'STATE':20}\n{'g':25} {'Classic':20} {'Empty':20}\n")
        expect(running, f"groups {server} --list --consumer",
               f"{'GROUP':20} {'TYPE':20} {'PROTOCOL':20}\n{'g':20} {'Classic':20} {'':20} \n")
        expect(running, f"{groups} --describe --group g",
               "\nGROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG"
               "             CONSUMER-ID     HOST            CLIENT-ID\n"
               "g               t               0          3               10              7"
               "               -               -               -\n"
               "g               t               1          3               4               1"
               "               -               -               -\n",
               "\nConsumer group 'g' has no active members.\n")
        expect(running, f"{groups} --describe --group g --state --verbose",
               "\nGROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE"
               "                GROUP-EPOCH     TARGET-ASSIGNMENT-EPOCH   #MEMBERS\n"
               f"g               {'127.0.0.1:PORT  (1)'.ljust(25 - len(str(running.port)) + 4)} -"
               "                    Empty                -               -                         0\n",
               "\nConsumer group 'g' has no active members.\n")
        member = join_static(client, "live", "one")
        width = max(15, len(member))
        expect(running, f"{groups} --describe --group live --members --verbose",
               f"\nGROUP           {'CONSUMER-ID':{width}} GROUP-INSTANCE-ID HOST            CLIENT-ID"
               "       #PARTITIONS     CURRENT-EPOCH   CURRENT-ASSIGNMENT   TARGET-EPOCH"
               "    TARGET-ASSIGNMENT   \n"
               f"live            {member:{width}} one               /127.0.0.1      "
               f"{'wire':15} 2               -               t:0,1                -"
               "               -                   \n")
        expect(running, f"{groups} --reset-offsets --group live --topic t --to-latest --execute",
               "\nError: Assignments can only be reset if the group 'live' is inactive, but the current "
               "state is Stable.\n\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n")
        expect(running, f"{groups} --delete --group live --group g",
               "\nError: Deletion of some consumer groups failed:\n* Group 'live' could not be deleted due "
               "to: org.apache.kafka.common.errors.GroupNotEmptyException: The group is not empty.\n\n"
               "These consumer groups were deleted successfully: 'g'\n")


def a_plan_leads_back_to_a_plan():
    with harness.broker() as running, wire.Connection(running.port) as client, \
            tempfile.TemporaryDirectory(prefix="barnabas-plan-") as folder:
        make_topic(client)
        groups = f"consumer-groups --bootstrap-server {running.bootstrap}"
        for name, offset in (("first", 2), ("second group", 4)):
            status, _, err = running.tool(*groups.split(), "--reset-offsets", "--group", name, "--topic", "t",
                                          "--to-offset", str(offset), "--execute")
            assert (status, err) == (0, ""), err
        words = [*groups.split(), "--reset-offsets", "--all-groups", "--all-topics"]
        status, plan, err = running.tool(*words, "--to-current", "--export", "--dry-run")
        assert (status, err) == (0, ""), err
        assert sorted(plan.split("\n")) == sorted(
            ['first,t,0,2', 'first,t,1,2', '"second group",t,0,4', '"second group",t,1,4', "", ""]), plan
        path = pathlib.Path(folder, "plan.csv")
        path.write_text(plan)
        running.tool(*words, "--to-latest", "--execute")
        status, out, _ = running.tool(*words, "--to-current", "--export", "--dry-run")
        assert "first,t,0,10" in out, out
        status, out, err = running.tool(*groups.split(), "--reset-offsets", "--all-groups", "--from-file",
                                        str(path), "--execute")
        assert (status, err) == (0, ""), err
        status, out, _ = running.tool(*words, "--to-current", "--export", "--dry-run")
        assert out == plan, out
        status, out, err = running.tool(*groups.split(), "--delete-offsets", "--group", "first", "--topic",
                                        "t:1")
        assert out == ("Request succeeded for deleting offsets from group first.\n\n"
                       "TOPIC           PARTITION  STATUS         \n"
                       "t               1          Successful     \n"), out


if __name__ == "__main__":
    harness.run([("groups__tables_to_the_blank", tables_to_the_blank),
                 ("groups__a_plan_leads_back_to_a_plan", a_plan_leads_back_to_a_plan)])

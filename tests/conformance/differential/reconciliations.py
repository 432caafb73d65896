"""Groups of the consumer protocol as they go from one assignment to the next: several members, told and asked
step by step; every answer is compared, and what ConsumerGroupDescribe says in between."""
import time

from consumers import SINGLE, TOPIC, beat, partial
from groups import find, heartbeat, join, leave, sync
from races import Scene
from topics import topic

ALL = (TOPIC, SINGLE)


def owns(*partitions, single=False):
    found = [(TOPIC, list(partitions))] if partitions else []
    return found + [(SINGLE, [0])] if single else found


def tell(stage, member, epoch=None, owned=None, **more):
    """A heartbeat with what it owns, or without; epoch None: it joins, with everything."""
    make = beat(stage.group, member, 0, more.pop("names", (TOPIC,)), owned or (), **more) if epoch is None else \
        partial(stage.group, member, epoch, owned, **more)
    answer = stage.side.ask("ConsumerGroupHeartbeat", stage.version, make(stage.side, stage.version))
    stage.note(f"{member}: heartbeat {epoch}", answer)
    return answer


def look(stage):
    stage.note("described", stage.side.ask("ConsumerGroupDescribe", stage.version, {"groupIds": [stage.group]}))


def again(stage, member, epoch, **more):
    """Everything, as after a change of the subscription."""
    return tell(stage, member, epoch, **{"rebalanceTimeoutMs": 60000, **more})


def second_member(stage):
    tell(stage, "one")
    look(stage)
    tell(stage, "two")
    look(stage)
    tell(stage, "one", 1)
    tell(stage, "two", 2)
    tell(stage, "one", 1, owns(0, 1, 2))
    kept = tell(stage, "one", 1, owns(0, 1))
    look(stage)
    tell(stage, "two", 2)
    tell(stage, "two", 2, owns(2))
    tell(stage, "one", kept["memberEpoch"], owns(0, 1))
    look(stage)


def third_member(stage):
    tell(stage, "one")
    tell(stage, "two")
    tell(stage, "three")
    look(stage)
    tell(stage, "one", 1)
    tell(stage, "one", 1, owns(0))
    look(stage)
    for member in ("two", "three"):
        tell(stage, member, 3)
    look(stage)


def more_members_than_partitions(stage):
    for member in ("one", "two", "three", "four"):
        tell(stage, member)
    tell(stage, "one", 1, owns(0))
    for member in ("two", "three", "four"):
        tell(stage, member, 4, [])
    look(stage)


def more_members_than_allowed(stage):
    """One more than group.consumer.max.size; who is in may still join again."""
    for member in ("one", "two", "three", "four"):
        tell(stage, member)
    tell(stage, "five")
    tell(stage, "five", instanceId="i")
    tell(stage, "four")
    tell(stage, "four", -1)
    tell(stage, "five")
    look(stage)


def settings_of_the_group(stage):
    """What a member hears of the interval of heartbeats follows the settings of its group."""
    def alter(value, operation=0):
        stage.note(f"set {value}", stage.side.ask("IncrementalAlterConfigs", 1, {"resources": [{
            "resourceType": 32, "resourceName": stage.group, "configs": [{
                "name": "consumer.heartbeat.interval.ms", "configOperation": operation, "value": value}]}]}))

    def until(interval):
        for _ in range(2000):
            answer = stage.side.ask("ConsumerGroupHeartbeat", stage.version, partial(
                stage.group, "one", epoch)(stage.side, stage.version))
            assert answer["errorCode"] == 0, answer
            if answer["heartbeatIntervalMs"] == interval:
                break
            time.sleep(0.05)
        stage.note("heartbeat", answer)
    alter("7000")
    for _ in range(2000):
        if f"'resourceName': '{stage.group}'" in str(stage.side.ask("ListConfigResources", 1, {"resourceTypes": [32]})):
            break
        time.sleep(0.05)
    epoch = tell(stage, "one")["memberEpoch"]
    alter("9000")
    until(9000)
    alter("15001")
    until(9000)
    alter(None, 1)
    until(5000)


def leaves_while_it_gives_up(stage):
    tell(stage, "one")
    tell(stage, "two")
    tell(stage, "one", 1)
    tell(stage, "one", -1)
    look(stage)
    tell(stage, "two", 2)
    tell(stage, "two", 3)
    look(stage)


def newcomer_leaves_again(stage):
    tell(stage, "one")
    tell(stage, "two")
    tell(stage, "one", 1)
    tell(stage, "two", -1)
    tell(stage, "one", 1, owns(0, 1))
    tell(stage, "one", 3, owns(0, 1))
    look(stage)


def joins_again_while_it_gives_up(stage):
    tell(stage, "one")
    tell(stage, "two")
    tell(stage, "one", 1)
    tell(stage, "one")
    look(stage)
    tell(stage, "two", 2)
    look(stage)


def newcomer_joins_again(stage):
    tell(stage, "one")
    tell(stage, "two")
    tell(stage, "two")
    tell(stage, "one", 1, owns(0, 1))
    tell(stage, "two")
    look(stage)


def answer_lost(stage):
    """A member has not heard that its epoch was raised."""
    tell(stage, "one")
    tell(stage, "two")
    tell(stage, "one", 1, owns(0, 1))
    tell(stage, "one", 1, owns(0, 1))
    tell(stage, "one", 1, owns(0))
    tell(stage, "one", 1, owns(0, 1, 2))
    tell(stage, "one", 1)
    look(stage)


def epoch_from_nowhere(stage):
    tell(stage, "one")
    tell(stage, "two")
    for epoch in (0, 2, 3, 99):
        tell(stage, "one", epoch, owns(0))
    tell(stage, "two", 1, [])


def owns_what_is_anothers(stage):
    tell(stage, "one")
    tell(stage, "two")
    tell(stage, "two", 2, owns(0))
    tell(stage, "one", 1, owns(0, 1))
    tell(stage, "two", 2, owns(0, 2))
    look(stage)


def subscribes_to_less(stage):
    tell(stage, "one", names=ALL)
    again(stage, "one", 1, owned=owns(0, 1, 2, single=True), subscribedTopicNames=[SINGLE])
    look(stage)
    tell(stage, "one", 1, owns(single=True))
    look(stage)
    again(stage, "one", 2, owned=owns(single=True), subscribedTopicNames=[])
    tell(stage, "one", 2, [])
    look(stage)


def subscribes_to_more(stage):
    tell(stage, "one", names=(SINGLE,))
    tell(stage, "two", names=(TOPIC,))
    again(stage, "one", 1, owned=owns(single=True), subscribedTopicNames=list(ALL))
    look(stage)
    tell(stage, "two", 2)
    tell(stage, "two", 2, owns(0))
    tell(stage, "one", 3)
    look(stage)


def names_that_are_not_there(stage):
    tell(stage, "one", names=(TOPIC, "no-such-topic"))
    look(stage)
    again(stage, "one", 1, owned=owns(0, 1, 2), subscribedTopicNames=["no-such-topic"])
    tell(stage, "one", 1, [])
    look(stage)


def assignor_of_the_most(stage):
    """Of one topic: the order of several is that of their ids, which are random."""
    tell(stage, "one", serverAssignor="range")
    look(stage)
    tell(stage, "two", serverAssignor="uniform")
    look(stage)
    tell(stage, "three", serverAssignor="uniform")
    look(stage)
    again(stage, "one", 1, serverAssignor="uniform", owned=owns(0))
    look(stage)


def rack_and_client_change(stage):
    tell(stage, "one", rackId="a")
    again(stage, "one", 1, rackId="b", owned=owns(0, 1, 2))
    look(stage)
    again(stage, "one", 2, rackId=None, owned=owns(0, 1, 2))
    tell(stage, "one", 2, owns(0, 1, 2), rebalanceTimeoutMs=5000)
    look(stage)


def static_goes_and_comes(stage):
    tell(stage, "one", instanceId="i")
    tell(stage, "two", instanceId="j")
    tell(stage, "one", 1, owns(0, 1), instanceId="i")
    tell(stage, "two", 2, [], instanceId="j")
    tell(stage, "two", -2, instanceId="j")
    look(stage)
    tell(stage, "one", 2, owns(0, 1), instanceId="i")
    tell(stage, "new", instanceId="j")
    look(stage)
    tell(stage, "two", 2, [], instanceId="j")
    tell(stage, "two", -1, instanceId="j")
    tell(stage, "one", 2, owns(0, 1), instanceId="i")


def static_comes_with_another_subscription(stage):
    tell(stage, "one", instanceId="i")
    tell(stage, "one", -2, instanceId="i")
    tell(stage, "new", instanceId="i", names=ALL)
    look(stage)
    tell(stage, "new", -2, instanceId="i")
    tell(stage, "new", 0, [], instanceId="i")
    look(stage)


def static_is_not_released(stage):
    tell(stage, "one", instanceId="i")
    tell(stage, "two", instanceId="i")
    tell(stage, "two", 1, owns(0), instanceId="i")
    tell(stage, "two", -2, instanceId="i")
    tell(stage, "two", -1, instanceId="i")
    tell(stage, "one", 1, owns(0, 1, 2))
    tell(stage, "one", -2)
    look(stage)


def static_goes_while_it_gives_up(stage):
    tell(stage, "one", instanceId="i")
    tell(stage, "two", instanceId="j")
    tell(stage, "one", 1, instanceId="i")
    tell(stage, "one", -2, instanceId="i")
    look(stage)
    tell(stage, "two", 2, [], instanceId="j")
    tell(stage, "again", instanceId="i")
    look(stage)
    tell(stage, "two", 2, [], instanceId="j")


def all_leave(stage):
    tell(stage, "one")
    tell(stage, "two")
    tell(stage, "one", -1)
    tell(stage, "two", -1)
    look(stage)
    tell(stage, "two", 2)
    tell(stage, "one")
    look(stage)
    stage.note("deleted", stage.side.ask("DeleteGroups", 2, {"groupsNames": [stage.group]}))
    tell(stage, "one", -1)
    stage.note("deleted", stage.side.ask("DeleteGroups", 2, {"groupsNames": [stage.group]}))
    look(stage)


def classic_member_joins(stage):
    """A classic member in a group of consumers: it takes part by JoinGroup and SyncGroup."""
    tell(stage, "one")
    old = stage.member("old")
    old.id = ""
    old.ask("JoinGroup", join(stage.group), note=False)
    old.ask("JoinGroup", join(stage.group, old.id))
    old.ask("SyncGroup", lambda side, version: sync(stage.group, old.id, old.generation, version, assignments=[]))
    look(stage)
    tell(stage, "one", 1, owns(0, 1))
    tell(stage, "one", 2, owns(0, 1))
    old.ask("Heartbeat", lambda side, version: heartbeat(stage.group, old.id, old.generation, version))
    old.ask("JoinGroup", join(stage.group, old.id))
    old.ask("SyncGroup", lambda side, version: sync(stage.group, old.id, old.generation, version, assignments=[]))
    look(stage)
    old.ask("LeaveGroup", leave(stage.group, [(old.id, None)]))
    tell(stage, "one", 2, owns(0, 1))
    look(stage)


def consumer_joins_a_classic_group(stage):
    old = stage.member("old")
    old.ask("JoinGroup", join(stage.group), note=False)
    old.ask("JoinGroup", join(stage.group, old.id))
    old.sync(old)
    tell(stage, "one")
    look(stage)
    old.ask("Heartbeat", lambda side, version: heartbeat(stage.group, old.id, old.generation, version))
    old.ask("JoinGroup", join(stage.group, old.id))
    old.ask("SyncGroup", lambda side, version: sync(stage.group, old.id, old.generation, version, assignments=[]))
    tell(stage, "one", 2)
    look(stage)
    tell(stage, "one", -1)
    look(stage)
    stage.state()


SCENES = (second_member, third_member, more_members_than_partitions, more_members_than_allowed,
          settings_of_the_group, leaves_while_it_gives_up, newcomer_leaves_again,
          joins_again_while_it_gives_up, newcomer_joins_again, answer_lost, epoch_from_nowhere, owns_what_is_anothers,
          subscribes_to_less, subscribes_to_more, names_that_are_not_there, assignor_of_the_most,
          rack_and_client_change, static_goes_and_comes, static_comes_with_another_subscription,
          static_is_not_released, static_goes_while_it_gives_up, all_leave, classic_member_joins,
          consumer_joins_a_classic_group)


def steps(apis):
    yield "fixture", "CreateTopics", {"topics": [topic(TOPIC, 3), topic(SINGLE, 1)]}, [7]
    yield "fixture", "FindCoordinator", lambda side, version: find(side), [4]
    for play in SCENES:
        yield play.__name__.replace("_", " "), "ConsumerGroupHeartbeat", Scene(play), None

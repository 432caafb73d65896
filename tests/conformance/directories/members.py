"""A group of the consumer protocol whose members outlive the brokers: each leg finds them as the one before
left them, with the epochs that they know and what they own, and goes on with them."""
import time

import consumers
import producers

GROUP, TOPIC = "live-members", "transactions"
FENCED, UNKNOWN_MEMBER = 110, 25


class Members:
    def __init__(self):
        self.known = {}   # member -> [epoch, {partition of the topic}]
        self.told = None  # what the last broker said of the group

    def _beat(self, side, name, epoch, everything=False):
        owned = [(TOPIC, sorted(self.known[name][1]))] if name in self.known and self.known[name][1] else []
        instance = {"instanceId": name} if name.startswith("static") else {}
        make = (consumers.beat(GROUP, name, epoch, (TOPIC,), owned, **instance) if everything
                else consumers.partial(GROUP, name, epoch, owned, **instance))
        answer = side.ask("ConsumerGroupHeartbeat", 1, make)
        if answer["errorCode"] != 0:
            return answer["errorCode"]
        had = self.known.get(name, [0, set()])[1]
        if answer["assignment"] is not None:
            had = {number for topic in answer["assignment"]["topicPartitions"]
                   for number in topic["partitions"]}
        self.known[name] = [answer["memberEpoch"], had]
        return 0

    def _describe(self, side):
        groups = side.ask("ConsumerGroupDescribe", 1, consumers.describe(GROUP)(side, 1))["groups"]
        side.learn(groups)
        return side.masked("ConsumerGroupDescribe", groups[0])

    def find(self, side):
        """As the broker before had it, which is another one."""
        if self.told is not None:
            told = self._describe(side)
            producers.expect("the group of live members", told, self.told)
            for name, (epoch, _) in sorted(self.known.items()):
                producers.expect(f"the heartbeat of {name}", self._beat(side, name, epoch), 0)
                producers.expect(f"the epoch of {name}", self.known[name][0], epoch)
            # The hash of its topics is the same here, or there would be a new epoch.
            producers.expect("the epoch of the group", self._describe(side)["groupEpoch"],
                             self.told["groupEpoch"])

    def go_on(self, side, newcomer):
        """One more joins, and all settle; whoever was too slow joins anew."""
        self.known.setdefault(newcomer, [0, set()])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for name, (epoch, _) in sorted(self.known.items()):
                error = self._beat(side, name, epoch, everything=epoch == 0)
                if error in (FENCED, UNKNOWN_MEMBER):
                    self.known[name] = [0, set()]
                else:
                    producers.expect(f"the heartbeat of {name}", error, 0)
            self.told = self._describe(side)
            if self.told["groupState"] == "Stable":
                return
            time.sleep(0.2)
        raise AssertionError(f"the group of live members does not settle: {self.told}")

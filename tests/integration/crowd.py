"""Many members of classic groups in one thread: the bytes of their requests, and what each has been told.

A member joins, syncs and joins again when it is told to, by itself; who drives it looks at its state. The leader
gives the partitions out in turn, and remembers them, so that what each member is given can be checked.
"""
import selectors
import socket
import struct
import time

from wirecodec import Reader, array, blob, string

JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP, OFFSET_COMMIT, OFFSET_FETCH = 11, 12, 13, 14, 8, 9
FIND_COORDINATOR = 10
VERSIONS = {FIND_COORDINATOR: 2, JOIN_GROUP: 5, HEARTBEAT: 3, LEAVE_GROUP: 3, SYNC_GROUP: 3, OFFSET_COMMIT: 7, OFFSET_FETCH: 5}
COORDINATOR_LOADING, COORDINATOR_UNAVAILABLE, NOT_COORDINATOR = 14, 15, 16
ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING = 22, 25, 27
MEMBER_ID_REQUIRED, FENCED_INSTANCE = 79, 82
SECONDS = 120  # after which something never comes
SOON = {COORDINATOR_LOADING, COORDINATOR_UNAVAILABLE, NOT_COORDINATOR}


class Member:
    """States: out, joining, syncing, stable, asking (a heartbeat), leaving."""

    def __init__(self, crowd, group, instance=None, session_ms=300000):
        self.crowd, self.group, self.instance, self.session_ms = crowd, group, instance, session_ms
        self.id, self.generation, self.state = "", -1, "out"
        self.assigned = self.error = self.socket = None
        self.joins = 0
        self.waiting = b""

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.crowd.port), SECONDS)
        self.socket.setblocking(False)
        self.crowd.selector.register(self.socket, selectors.EVENT_READ, self)

    def disconnect(self):
        if self.socket is not None:
            self.crowd.selector.unregister(self.socket)
            self.socket.close()
        self.socket, self.state, self.waiting = None, "out", b""

    def _send(self, api, body, state):
        self.state = state
        frame = blob(struct.pack(">hhi", api, VERSIONS[api], 0) + string("crowd") + body)
        self.socket.setblocking(True)
        self.socket.sendall(frame)
        self.socket.setblocking(False)

    def join(self):
        if self.socket is None:
            self.connect()
        self.joins += 1
        self._send(JOIN_GROUP, string(self.group) + struct.pack(">ii", self.session_ms, 300000) + string(self.id)
                   + string(self.instance) + string("consumer") + array([string("turns") + blob(b"topic")]), "joining")

    def _sync(self, assignments):
        pairs = [string(member) + blob(b",".join(b"%d" % part for part in parts)) for member, parts in assignments.items()]
        self._send(SYNC_GROUP, string(self.group) + struct.pack(">i", self.generation) + string(self.id)
                   + string(self.instance) + array(pairs), "syncing")

    def heartbeat(self):
        self._send(HEARTBEAT, string(self.group) + struct.pack(">i", self.generation) + string(self.id)
                   + string(self.instance), "asking")

    def leave(self):
        self._send(LEAVE_GROUP, string(self.group) + array([string(self.id) + string(self.instance)]), "leaving")

    def readable(self):
        try:
            piece = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        if not piece:
            raise EOFError("the broker closed the connection of a member")
        self.waiting += piece
        while len(self.waiting) >= 4:
            size = struct.unpack(">i", self.waiting[:4])[0]
            if len(self.waiting) < 4 + size:
                break
            frame, self.waiting = self.waiting[8:4 + size], self.waiting[4 + size:]
            getattr(self, f"_after_{self.state}")(Reader(frame))

    def _after_joining(self, reader):
        _, self.error, generation = reader.take("ihi")
        reader.string()
        leader, member_id = reader.string(), reader.string()
        if self.error == MEMBER_ID_REQUIRED:
            self.id = member_id
            self.join()
        elif self.error == UNKNOWN_MEMBER:
            self.id = ""
            self.join()
        elif self.error in SOON:
            self.crowd.later(self.join)
        elif self.error == 0:
            self.id, self.generation = member_id, generation
            members = reader.array(lambda: (reader.string(), reader.string(), reader.blob())[0])
            if leader != member_id:
                self._sync({})
                return
            plan = {member: [] for member in members}
            for i in range(self.crowd.partitions):
                plan[members[i % len(members)]].append(i)
            self.crowd.plans[self.group, generation] = plan
            self._sync(plan)
        else:
            self.state = "out"

    def _after_syncing(self, reader):
        _, self.error = reader.take("ih")
        if self.error in (REBALANCING, UNKNOWN_MEMBER, ILLEGAL_GENERATION):
            self.join()
        elif self.error == 0:
            self.assigned = [int(part) for part in reader.blob().split(b",") if part]
            self.state = "stable"
        else:
            self.state = "out"

    def _after_asking(self, reader):
        _, self.error = reader.take("ih")
        self.state = "stable"
        if self.error in (REBALANCING, UNKNOWN_MEMBER, ILLEGAL_GENERATION):
            self.join()

    def _after_leaving(self, reader):
        _, self.error = reader.take("ih")
        self.id, self.assigned = "", None
        self.disconnect()


class Crowd:
    def __init__(self, port, partitions):
        self.port, self.partitions = port, partitions
        self.selector = selectors.DefaultSelector()
        self.plans = {}  # (group, generation): what its leader gave to whom
        self.due = []

    def later(self, call):
        self.due.append((time.monotonic() + 0.05, call))

    def turn(self, seconds=0.05):
        for key, _ in self.selector.select(seconds):
            if key.data.socket is not None:
                key.data.readable()
        now = time.monotonic()
        due, self.due = [item for item in self.due if item[0] <= now], [item for item in self.due if item[0] > now]
        for _, call in due:
            call()

    def settle(self, members, after=-1, seconds=SECONDS):
        """Until all of them are stable in one generation after that one, which it gives; who is stable asks
        meanwhile, as clients do."""
        deadline, asked = time.monotonic() + seconds, time.monotonic()
        while True:
            self.turn()
            generations = {member.generation for member in members}
            if len(generations) == 1 and min(generations) > after and all(m.state == "stable" for m in members):
                return generations.pop()
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds} s for one generation: {self.census(members)}")
            if time.monotonic() - asked > 0.3:
                asked = time.monotonic()
                for member in members:
                    if member.state == "stable":
                        member.heartbeat()

    def until(self, members, state, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while any(member.state != state for member in members):
            self.turn()
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds} s for {state}: {self.census(members)}")

    @staticmethod
    def census(members):
        states = {}
        for member in members:
            key = (member.state, member.error, member.generation)
            states[key] = states.get(key, 0) + 1
        return states

    def check_assignments(self, members):
        """Each has what the leader of this generation gave it, and all together have every partition once."""
        plan = self.plans[members[0].group, members[0].generation]
        if {m.id for m in members} != set(plan):
            raise AssertionError(f"{len(plan)} members in the leader's list, {len(members)} there are")
        for member in members:
            if member.assigned != plan[member.id]:
                raise AssertionError(f"{member.id} has {member.assigned}, given {plan[member.id]}")
        parts = sorted(part for member in members for part in member.assigned)
        if parts != list(range(self.partitions)):
            raise AssertionError(f"{len(parts)} of {self.partitions} partitions are assigned")

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.data.disconnect()
        self.selector.close()


def commit_body(group, offsets, generation=-1, member="", instance=None):
    """offsets: {partition: offset} of the topic."""
    parts = [struct.pack(">iqi", partition, offset, -1) + string("") for partition, offset in offsets.items()]
    return string(group) + struct.pack(">i", generation) + string(member) + string(instance) + \
        array([string("topic") + array(parts)])


def commit_errors(reader):
    reader.take("i")
    return [code for topic in reader.array(lambda: (reader.string(), reader.array(lambda: reader.take("ih")))[1])
            for _, code in topic]


def fetch_body(group, partitions):
    return string(group) + array([string("topic") + array([struct.pack(">i", part) for part in partitions])])


def fetched(reader):
    """({partition: offset}, error)."""
    reader.take("i")
    found = {}

    def partition():
        index, offset, _ = reader.take("iqi")
        reader.string(), reader.take("h")
        found[index] = offset
    reader.array(lambda: (reader.string(), reader.array(partition)))
    return found, reader.take("h")

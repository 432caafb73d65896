#!/usr/bin/env python3
"""Consume, process, produce: at every step of a transaction the broker is killed, and then the application, in
three clients. What was copied is there once and in its order, as a reader that is none of them finds it."""
import functools
import os
import select
import subprocess
import sys

import harness
import transactions
from transactions import check

STEPS = ("init", "begin", "produce", "offsets", "commit")
# franz-go sends offsets within the call that ends the transaction.
STEPS_OF = {"franz_go": ("init", "begin", "produce", "commit")}
SECONDS = transactions.COPY_SECONDS


class Stopping:
    """A copier that stops at a step until it is told to go on, and then after each transaction."""

    def __init__(self, name, bootstrap, step):
        command = [*transactions.CLIENTS[name](), "copy", bootstrap, "in", "out", str(transactions.COPY_RECORDS)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True,
                                        env=dict(os.environ, COPIER_STOPS_AT=step))

    def stopped(self):
        readable, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        line = self.process.stdout.readline() if readable else ""
        check(line.strip(), "stopped", "what the copier says")

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def ends(self):
        check(self.process.wait(SECONDS), 0, "status of the copier")

    def kill(self):
        self.process.kill()
        self.process.communicate()


def killed_at(broker, name, step):
    """The broker at the step, then the copier at the same step; the one that comes back gets on."""
    for whose in ("broker", "copier"):
        copier = Stopping(name, broker.bootstrap, step)
        try:
            copier.stopped()
            if whose == "broker":
                broker.kill()
                broker.start()
                copier.go_on()
                copier.stopped()
        finally:
            copier.kill()


def survives(name):
    broker = harness.own_broker(overrides=transactions.SETTINGS)
    try:
        broker.start()
        connection = transactions.reconnect(broker)
        for topic in ("in", "out"):
            transactions.make_topic(connection, topic)
        wanted = transactions.fill(connection, "in")
        connection.close()
        for step in STEPS_OF.get(name, STEPS):
            killed_at(broker, name, step)
        last = Stopping(name, broker.bootstrap, "never")
        try:
            last.ends()
        finally:
            last.kill()
        connection = transactions.reconnect(broker)
        got = [transactions.read_committed(connection, "out", partition) for partition in range(transactions.PARTITIONS)]
        connection.close()
        check([sorted(values) for values in got], [sorted(values) for values in wanted], "what arrived")
        check(got, wanted, "order")
        broker.end_in_order()
    finally:
        broker.remove()


CASES = [(f"{name}_copies_once_though_killed_at_every_step", functools.partial(survives, name))
         for name in transactions.CLIENTS]

if __name__ == "__main__":
    words = sys.argv[1:]
    harness.run([(f"copier_steps__{name}", case) for name, case in CASES
                 if not words or any(word in name for word in words)])

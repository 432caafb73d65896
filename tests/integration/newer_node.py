#!/usr/bin/env python3
"""What kafka-broker-api-versions says of a node whose versions are others than ours: of a broker behind a relay that
writes other numbers into its answer. With PEER=apache the tool is Apache Kafka's, and the broker, too."""
import contextlib
import re
import socket
import struct
import subprocess
import threading

import harness

API_VERSIONS, DESCRIBE_LOG_DIRS, LIST_GROUPS = 18, 35, 16
# key: the oldest and the newest version that the node has from now on
OTHERS = {DESCRIBE_LOG_DIRS: (100, 101), LIST_GROUPS: (-7, -3)}


def other_versions(answer):
    for key, (oldest, newest) in OTHERS.items():
        found = re.search(re.escape(struct.pack(">h", key)) + rb"\0.\0.\0", answer, re.S)
        answer = answer[:found.start()] + struct.pack(">hhh", key, oldest, newest) + answer[found.start() + 6:]
    return answer


def frames(connection):
    while True:
        size = connection.recv(4, socket.MSG_WAITALL)
        if len(size) < 4:
            return
        yield connection.recv(struct.unpack(">i", size)[0], socket.MSG_WAITALL)


def relay(client, port):
    """One connection: each answer follows its request."""
    with client, socket.create_connection(("127.0.0.1", port)) as node:
        answers = frames(node)
        for request in frames(client):
            node.sendall(struct.pack(">i", len(request)) + request)
            answer = next(answers)
            if struct.unpack(">h", request[:2]) == (API_VERSIONS,):
                answer = other_versions(answer)
            client.sendall(struct.pack(">i", len(answer)) + answer)


@contextlib.contextmanager
def relayed(port):
    """The port of a relay to another one, whatever that is by then."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=relay, args=(listener.accept()[0], port), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def broker_api_versions__of_a_newer_and_an_older_node():
    broker = harness.Broker()
    with relayed(broker.port) as port:
        broker.overrides.append(f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}")
        tool = [harness.BINARY, "broker-api-versions"] if harness.PEER != "apache" else \
            ["java", "-cp", f"{harness.peer('java') / 'lib'}/*", "org.apache.kafka.tools.BrokerApiVersionsCommand"]
        try:
            broker.start()
            told = subprocess.run([*tool, "--bootstrap-server", f"127.0.0.1:{port}"], capture_output=True, text=True,
                                  timeout=harness.PATIENCE_SECONDS)
        finally:
            broker.remove()
    assert "\tDescribeLogDirs(35): 100 to 101 [unusable: node too new],\n" in told.stdout, told.stdout + told.stderr
    assert "\tListGroups(16): -7 to -3 [unusable: node too old],\n" in told.stdout, told.stdout + told.stderr


harness.run([(case.__name__, case) for case in (broker_api_versions__of_a_newer_and_an_older_node,)])

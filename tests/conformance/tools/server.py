"""kafka-server-start: what is wrong on its command line or in its properties."""
import storage

FILES = {
    "start.properties": storage.properties("start"),
    "role.properties": storage.properties("role").replace("broker,controller", "bogus"),
    "listener.properties": storage.properties("listener", more="advertised.listeners=BOGUS://x:1\n"),
    "id.properties": storage.properties("id").replace("node.id=1", "node.id=x"),
}
LINES = ["", "--help", "--version", "{dir}/missing.properties", "{dir}/start.properties extra",
         "{dir}/start.properties --override", "{dir}/start.properties --override nopair",
         "{dir}/start.properties --bogus", "{dir}/start.properties",
         "{dir}/role.properties", "{dir}/listener.properties", "{dir}/id.properties", "{dir}/norole.properties",
         "{dir}/start.properties --override node.id=y", "{dir}/start.properties --version"]
# Each of them makes a start fail that would else succeed.
O = "--override listeners="
C = "CONTROLLER://127.0.0.1:19093"
LINES += ["{dir}/start.properties " + more for more in (
    "--override node.id=-1", "--override node.id=4294967297", "--override process.roles=",
    "--override process.roles=broker,broker", "--override log.dirs=", "--override controller.listener.names=",
    "--override controller.listener.names=OTHER", "--override inter.broker.listener.name=OTHER",
    "--override advertised.listeners=PLAINTEXT://0.0.0.0:9092", "--override advertised.listeners=PLAINTEXT://a:9092,CONTROLLER://0.0.0.0:9093",
    O + C, O + f"PLAINTEXT://127.0.0.1:19092,PLAINTEXT://127.0.0.1:19094,{C}",
    O + f"PLAINTEXT://127.0.0.1:x,{C}", O + f"PLAINTEXT://127.0.0.1:65536,{C}",
    O + f"OTHER://127.0.0.1:19092,{C}", O + "",
    "--override controller.quorum.bootstrap.servers=", "--override controller.quorum.bootstrap.servers=x",
    "--override controller.quorum.voters=x@127.0.0.1:19093",
    "--override listener.security.protocol.map=PLAINTEXT:BOGUS,CONTROLLER:PLAINTEXT",
    "--override listener.security.protocol.map=PLAINTEXT:PLAINTEXT",
    "--override security.inter.broker.protocol=PLAINTEXT --override inter.broker.listener.name=PLAINTEXT",
    "--override broker.heartbeat.interval.ms=x", "--override log.segment.bytes=1", "--override num.network.threads=0",
    "--override log.retention.hours=0", "--override log.cleanup.policy=bogus", "--override compression.type=bogus",
    "--override offsets.topic.replication.factor=0", "--override message.max.bytes=-1",
    "--override socket.request.max.bytes=0", "--override queued.max.requests=0", "--override max.connections.per.ip=-1",
    "--override max.connections.per.ip=0",
    "--override group.consumer.session.timeout.ms=1", "--override group.consumer.assignors=",
    "--override log.message.timestamp.type=bogus", "--override auto.create.topics.enable=maybe",
    "--override advertised.listeners=PLAINTEXT://a:1,PLAINTEXT://b:2")]
CASES = [("server-start", line) for line in LINES]

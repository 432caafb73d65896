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
CASES = [("server-start", line) for line in LINES]

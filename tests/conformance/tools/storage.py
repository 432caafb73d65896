"""kafka-storage."""
ID = "4L6g3nShT-eMCtK--X86sw"
VOTER = "JEXY6aqzQY-32P5TStzaFg"


def properties(directory, roles="broker,controller", quorum="bootstrap.servers=127.0.0.1:19093",
               more=""):
    listeners = {"broker,controller": "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093",
                 "controller": "CONTROLLER://127.0.0.1:19093",
                 "broker": "PLAINTEXT://127.0.0.1:19092"}[roles]
    folders = ",".join("{dir}/" + name for name in directory.split(","))
    return (f"process.roles={roles}\nnode.id=1\nlog.dirs={folders}\nlisteners={listeners}\n"
            f"controller.listener.names=CONTROLLER\ncontroller.quorum.{quorum}\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n" + more)


FILES = {
    "one.properties": properties("one"),
    "again.properties": properties("again"),
    "two.properties": properties("two-a,two-b"),
    "apart.properties": properties("apart-a,apart-b", more="metadata.log.dir={dir}/apart-m\n"),
    "static.properties": properties("static", quorum="voters=1@127.0.0.1:19093"),
    "broker.properties": properties("broker", roles="broker"),
    "controller.properties": properties("controller", roles="controller"),
    "voters.properties": properties("voters"),
    "none.properties": properties("none"),
    "old.properties": properties("old"),
    "levels.properties": properties("levels"),
    "fresh.properties": properties("fresh"),
    "noid.properties": "process.roles=broker\nlog.dirs={dir}/noid\n",
    "norole.properties": "node.id=1\nlog.dirs={dir}/norole\n",
    "scram.properties": properties("scram"), "six.properties": properties("six"),
    "other.properties": properties("other"),
    "unstable.properties": properties("unstable", more="unstable.feature.versions.enable=true\n"),
}

FORMAT = [
    "format",
    "format -c {dir}/one.properties",
    f"format -t {ID}",
    f"format -c {{dir}}/missing.properties -t {ID}",
    f"format -c {{dir}}/one.properties -t {ID}",
    f"format -c {{dir}}/one.properties -t {ID} --standalone --bogus",
    f"format -c {{dir}}/one.properties -t {ID} --standalone extra",
    f"format -c {{dir}}/one.properties -t {ID} -s -N",
    f"format -c {{dir}}/one.properties -t {ID} -s -I 1@127.0.0.1:19093:{VOTER}",
    f"format -c {{dir}}/one.properties -t {ID} --standalone",
    f"format -c {{dir}}/one.properties -t {ID} --standalone",
    f"format -c {{dir}}/one.properties -t {ID} --standalone -g",
    f"format -c {{dir}}/one.properties -t {ID} --standalone --ignore-formatted",
    "format -c {dir}/again.properties -t notauuid --standalone",
    "format -c {dir}/again.properties -t '' --standalone",
    f"format --config={{dir}}/again.properties --cluster-id={ID} -s",
    f"format -c {{dir}}/two.properties -t {ID} --standalone",
    f"format -c {{dir}}/apart.properties -t {ID} --no-initial-controllers",
    f"format -c {{dir}}/static.properties -t {ID} --standalone",
    f"format -c {{dir}}/static.properties -t {ID} -I 1@127.0.0.1:19093:{VOTER}",
    f"format -c {{dir}}/static.properties -t {ID} -N",
    f"format -c {{dir}}/static.properties -t {ID}",
    f"format -c {{dir}}/broker.properties -t {ID} --standalone",
    f"format -c {{dir}}/broker.properties -t {ID}",
    f"format -c {{dir}}/controller.properties -t {ID}",
    f"format -c {{dir}}/controller.properties -t {ID} -N",
    f"format -c {{dir}}/voters.properties -t {ID} -I 1@127.0.0.1:19093:{VOTER}",
    f"format -c {{dir}}/voters.properties -t {ID} -g -I 2@127.0.0.1:19093:{VOTER}",
    f"format -c {{dir}}/none.properties -t {ID} -I bad",
    f"format -c {{dir}}/none.properties -t {ID} -I x@127.0.0.1:19093:{VOTER}",
    f"format -c {{dir}}/none.properties -t {ID} -I 1@127.0.0.1:notaport:{VOTER}",
    f"format -c {{dir}}/none.properties -t {ID} -I 1@127.0.0.1:19093:notauuid",
    f"format -c {{dir}}/none.properties -t {ID} -I -1@127.0.0.1:19093:{VOTER}",
    f"format -c {{dir}}/none.properties -t {ID} -s -r 2.8",
    f"format -c {{dir}}/none.properties -t {ID} -s -r 9.9",
    f"format -c {{dir}}/none.properties -t {ID} -s -r 3.3",
    f"format -c {{dir}}/old.properties -t {ID} -s -r 3.9",
    f"format -c {{dir}}/none.properties -t {ID} -s -r 4.0 -f metadata.version=25",
    f"format -c {{dir}}/none.properties -t {ID} -s -f group.version",
    f"format -c {{dir}}/none.properties -t {ID} -s -f group.version=x",
    f"format -c {{dir}}/none.properties -t {ID} -s -f group.version=9",
    f"format -c {{dir}}/none.properties -t {ID} -s -f bogus.version=1",
    f"format -c {{dir}}/none.properties -t {ID} -s -f metadata.version=99",
    f"format -c {{dir}}/none.properties -t {ID} -s -f kraft.version=0",
    f"format -c {{dir}}/levels.properties -t {ID} -s -f transaction.version=0 -f group.version=1",
    *(f"format -c {{dir}}/unstable.properties -t {ID} -s{more}" for more in (
        " -r 4.4", " -f metadata.version=32", " -f metadata.version=31")),
    f"format -c {{dir}}/none.properties -t {ID} -s -r 4.4-IV0",
    *(f"format -c {{dir}}/none.properties -t {ID} -s{more}" for more in (
        " -f group.version=0 -f group.version=1", " -f group.version=65537", " -f 'group.version= 1'",
        " -f =1", " -f group.version=1=1", " -r 3.9 -f transaction.version=2", " -r 3.9 -f eligible.leader.replicas.version=1",
        " -r 4.0 -r 4.1", " -f kraft.version=2", " -f metadata.version=6", " -f metadata.version=-1")),
    f"format -c {{dir}}/static.properties -t {ID} -g -f kraft.version=1",
    *(f"format -c {{dir}}/none.properties -t {ID} -I '{voters}'" for voters in (
        "", ",", f"1@127.0.0.1:19093:{VOTER},", f"1@127.0.0.1:19093:{VOTER},1@127.0.0.1:19094:{VOTER}",
        f"1@127.0.0.1:19093:{VOTER},2@127.0.0.1:19094:{VOTER}", f"1@127.0.0.1:65536:{VOTER}",
        f"1@127.0.0.1:-1:{VOTER}", f"1@[::1:19093:{VOTER}", f"1@[::1]x:19093:{VOTER}", f"1@:19093:{VOTER}",
        f"4294967297@127.0.0.1:19093:{VOTER}", f" 1@127.0.0.1:19093:{VOTER}", f"1@127.0.0.1:19093:{VOTER}x",
        "1@127.0.0.1:19093:AAAAAAAAAAAAAAAAAAAAAQ")),
    f"format -c {{dir}}/six.properties -t {ID} -I '1@[::1]:19093:{VOTER}'",
    f"format -c {{dir}}/other.properties -t {ID} -I '2@127.0.0.1:19093:{VOTER}'",
    f"format -c {{dir}}/noid.properties -t {ID}",
    f"format -c {{dir}}/norole.properties -t {ID}",
    *(f"format -c {{dir}}/scram.properties -t {ID} -s -S {argument}" for argument in (
        "bogus", "SCRAM-SHA-1=[name=a,password=b]", "SCRAM-SHA-256=name=a,password=b",
        "SCRAM-SHA-256=[name=a,password=b", "SCRAM-SHA-256=[name=a]", "SCRAM-SHA-256=[password=x]",
        "SCRAM-SHA-256=[name=a,password=b,iterations=4]", "SCRAM-SHA-512=[name=a,password=b,iterations=99999]",
        "SCRAM-SHA-256=[name=a,password=b,iterations=x]", "SCRAM-SHA-256=[name=a,password=b,foo=bar]",
        *(f"'SCRAM-SHA-256=[name=a,{more}]'" for more in (
            "password= c ,salt=Zm9v", 'password="c",salt="Zm9v"', 'password="x"y",salt=Zm9v', 'password="x,y",salt=Zm9v',
            "password=c=d,salt=Zm9v", "password=c,salt=Zm9v,,", "password=c,salt=Zm9v,x", "password=,salt=Zm9v",
            "saltedpassword=,salt=Zm9v", "password=c,saltedpassword=Zm9v,salt=Zm9v", "password=c,name=b,salt=Zm9v",
            "password=c,salt=Zm9v, iterations=5000", "password=c,salt=Zm9v,iterations= 5000",
            "password=c,salt=Zm9v,iterations=4097 ", "password=c,salt=Zm9v,zoo=1,Bar=2,bar=3,zoo=2",
            "password=c,salt=Zm9", "password=c,salt=Zm9=", "password=c,salt=Zm9v====", "password=c,salt=Zm 9v",
            "password=c,salt=", "password=c,salt=Z", "saltedpassword=!!,salt=Zm9v,x=y",
            "password=c,salt=Zm9v,x=y,iterations=1")),
        *(f"'SCRAM-SHA-256={whole}'" for whole in (
            "[]", "[,]", "[,name=a,password=c]", "[ name=a,password=c]", "[[name=a,password=c]", "[=a,password=c]",
            "[Name=a,password=c]", '[name="a,password=c",salt=Zm9v]', '[name="",password=c,salt=Zm9v]',
            '[name=",password=c,salt=Zm9v]')),
        "SCRAM-SHA-256=[name=a,saltedpassword=Zm9v]", "SCRAM-SHA-256=[name=a,password=b,salt=!!]",
        "SCRAM-SHA-256=[name=a,password=b] -r 3.4")),
    f"format -c {{dir}}/scram.properties -t {ID} -s -S SCRAM-SHA-256=[name=alice,password=secret,salt=MWx2NHBkbnc0] "
    "--add-scram SCRAM-SHA-512=[name=bob,password=hidden,iterations=8192,salt=MWx2NHBkbnc0]",
]
OTHERS = [
    "", "--help", "-h", "--version", "bogus", "--bogus",
    "random-uuid", "random-uuid extra", "random-uuid --help",
    "info", "info -c", "info -c {dir}/missing.properties", "info -c {dir}/fresh.properties",
    "info -c {dir}/one.properties", "info --config {dir}/two.properties",
    "info -c {dir}/apart.properties", "info -c {dir}/static.properties", "info --help",
    "info -c {dir}/noid.properties",
    "version-mapping", "version-mapping -r 3.9", "version-mapping --release-version 4.0",
    "version-mapping -r 4.1-IV1", "version-mapping -r 3.3", "version-mapping -r 2.8",
    "version-mapping -r 9.9", "version-mapping -r nonsense", "version-mapping -r 4.2.1",
    "version-mapping -r", "version-mapping --help",
    "feature-dependencies", "feature-dependencies -f transaction.version=2",
    "feature-dependencies -f group.version=1",
    "feature-dependencies --feature eligible.leader.replicas.version=1",
    "feature-dependencies -f kraft.version=1 -f share.version=1",
    "feature-dependencies -f metadata.version=25", "feature-dependencies -f metadata.version=99",
    "feature-dependencies -f streams.version=0", "feature-dependencies -f streams.version=7",
    "feature-dependencies -f bogus=1", "feature-dependencies -f group.version",
    "feature-dependencies -f group.version=x", "feature-dependencies --help",
]
CASES = [("storage", line) for line in FORMAT + OTHERS]

"""kafka-dump-log and kafka-log-dirs."""
import legacy
from table import lines

S = "--bootstrap-server {server}"
FIXTURES = [("topics", S + " --create --topic dump"),
            ("console-producer", S + " --topic dump --reader-property parse.key=true --sync",
             "k1\tv1\nk2\tv2\n"),
            ("console-producer", S + " --topic dump --reader-property parse.headers=true",
             "a:b,c:d\twith headers\n"),
            ("console-producer", S + " --topic dump --compression-codec lz4 --sync", "onetwo\n")]
FILES = {"junk.log": "not a batch at all, but long enough to have a header of a record batch in it....",
         "lone/00000000000000000005.index": "\0\0\0\1\0\0\0\x48", "some.txt": "text", "empty/00000000000000000000.log": "",
         "empty/00000000000000000000.index": "", "empty/00000000000000000000.timeindex": "", **legacy.FILES}
L = "--files {data}/dump-0/00000000000000000000.log"
DUMP = lines("""
(none)
--help
--version
--bogus
--files
--print-data-log
L
L --print-data-log
L --deep-iteration
L --print-data-log --skip-record-metadata
L --skip-record-metadata
L --max-bytes 100 --print-data-log
L --max-bytes x
L --max-message-size 10 --deep-iteration
L --max-message-size x
L --offsets-decoder
L --transaction-log-decoder
L --cluster-metadata-decoder
L --share-group-state-decoder
L --value-decoder-class org.apache.kafka.tools.api.StringDecoder
L --value-decoder-class org.apache.kafka.tools.api.LongDecoder
L --value-decoder-class org.example.Nothing
L --value-decoder-class kafka.serializer.StringDecoder
L --remote-log-metadata-decoder
--files {data}/dump-0/00000000000000000000.log,{data}/dump-0/00000000000000000000.log
--files {dir}/00000000000000000009.log
--files {dir}/00000000000000000009.index
--files {dir}/00000000000000000009.timeindex
--files {dir}/00000000000000000009.txnindex
--files {dir}/00000000000000000009.snapshot
--files {dir}/lone/00000000000000000005.index
--files {dir}/lone/00000000000000000005.index --index-sanity-check
--files {dir}/empty/00000000000000000000.index --index-sanity-check
--files {dir}/empty/00000000000000000000.timeindex --verify-index-only
--files {dir}/missing.log
--files {dir}/some.txt
--files {dir}/junk.log
--files {dir}/empty/00000000000000000000.log
--files {dir}/empty/00000000000000000000.index
--files {dir}/empty/00000000000000000000.timeindex
--files ''
L extra
L L
--files {data}/bootstrap.checkpoint
--files {data}/bootstrap.checkpoint --cluster-metadata-decoder
""", L=L)
LOG_DIRS = lines("""
(none)
--help
--version
--bogus
S
--describe
S --describe --topic-list dump
S --describe --topic-list nope
S --describe --topic-list dump,rec-empty --broker-list 1
S --describe --broker-list 9
S --describe --broker-list 1,9
S --describe --broker-list x
S --describe --broker-list 4294967297
S --describe --broker-list ''
S --describe --topic-list dump --broker-list 1,1
S --topic-list dump
S --describe --topic-list dump --command-config {dir}/missing.properties
S --describe --topic-list dump extra
S --describe --topic-list dump --topic-list rec
""", S=S)
CASES = [("dump-log", line) for line in DUMP + legacy.LINES] + [("log-dirs", line) for line in LOG_DIRS]

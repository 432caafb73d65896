#!/usr/bin/env bash
# Runs the tests of other projects, unchanged, against one node of ours.
#
# usage: suites.sh [SUITE]...
#   SUITE   rskafka, java, java-more, java-broker, oracles, librdkafka, librdkafka-consumer,
#           librdkafka-tools, franz-go, node-rdkafka, or all; without one the choice that `make test` runs,
#           which takes a few minutes once the suites are built
#
# The scripts that bring and run the suites are looked for in $BARNABAS_SUITES, else in
# ../shared/suites beside the project. What is known to be missing stands in suites.missing, a test
# a line with the feature that it waits for: any other failure is one, and so is a test of that list
# that passes, since the list may only shrink. Of librdkafka the number names a test; 0081 runs in parts,
# of which some wait. librdkafka-consumer has the same tests, with groups of the newer protocol;
# librdkafka-tools those that call kafka-topics.sh, which is ours, and Java clients; java-broker Apache
# Kafka's tests of its broker and tools, over the wire. Java's tests that ask for several nodes get one
# (java/one_node.py); suites.java-exclude has those that need the others. What fails of Java's and is not on
# the list is tried once more, alone, and it is said: many race their own client, and librdkafka's runner does
# likewise.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
scripts=${BARNABAS_SUITES:-$root/../shared/suites}
binary=${BARNABAS_BIN:-$root/build/barnabas}
missing=$here/suites.missing
cache=${SUITES_CACHE:-$HOME/.cache/barnabas-suites}
usual='rskafka java'
every='rskafka java java-more java-broker oracles librdkafka librdkafka-consumer librdkafka-tools franz-go
  node-rdkafka'

case ${1-} in -h|--help) sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"; exit 0 ;; esac
if [ ! -d "$scripts" ]; then
  echo "SKIP suites: there are no suites here; BARNABAS_SUITES names the folder of their scripts"
  exit 0
fi
[ "${1-}" != all ] || set -- $every
[ $# -gt 0 ] || set -- $usual

work=$(mktemp -d "${TMPDIR:-/tmp}/barnabas-suites-XXXXXX")
broker=
end() {
  [ -z "$broker" ] || { kill "$broker" 2>/dev/null; wait "$broker" 2>/dev/null; }
  rm -rf "$work"
}
trap end EXIT

# So many, which no client of another test is given by the kernel.
free_ports() {
  PYTHONPATH=$root/tests/integration python3 -c "import harness; print(*(harness.free_port() for _ in range($1)))"
}

# One node by the profile of the suites, on ports of its own.
start_broker() {
  local client sasl controller line
  read -r client sasl controller < <(free_ports 3)
  sed "s/:9092/:$client/g; s/:9093/:$sasl/g; s/:36001/:$controller/g" \
    "$scripts/profiles/one-node.properties" >"$work/server.properties"
  export BOOTSTRAP=127.0.0.1:$client
  (cd "$work" && "$binary" storage format --standalone -t 4L6g3nShT-eMCtK--X86sw \
    -c server.properties --add-scram 'SCRAM-SHA-256=[name=admin,password=admin-secret]' \
    --add-scram 'SCRAM-SHA-512=[name=admin,password=admin-secret]' >format.log 2>&1) || return 1
  exec 3< <(cd "$work" && exec "$binary" server-start server.properties 2>broker.log)
  broker=$!
  read -r -t 120 line <&3 && [[ $line == *ready* ]]
}

# The classes of a list, ours or the suite's, or one class, against clusters of one node; the arguments after it
# are the runner's.
run_java() {
  local list=$here/suites.$1
  [ -f "$list" ] || list=$1
  shift
  mkdir -p "$cache/java/lib" "$cache/java-one-node"
  ln -sfn ../java/lib "$cache/java-one-node/lib"
  [ -d "$work/java-suite" ] || "$here/java/one_node.py" "$scripts/java" "$work/java-suite" || return 2
  CLUSTER_LAYOUT=combined BUILD="$cache/java-one-node" EXCLUDE="$here/suites.java-exclude" WORK_DIR="$work" \
    RESULTS=$(mktemp -d "$work/java-XXXXXX") "$work/java-suite/run.sh" --impl "$binary" "$@" "$list"
}

# Every test with a group protocol, 0081 in its parts.
run_librdkafka() {
  local tests parts
  tests=$("$scripts/librdkafka.sh" --protocol "$1" --list) || return 2
  parts=$(sed -nE 's|^(static void )?do_test_([A-Za-z_]+)\(.*|0081/\2|p' \
    "$cache"/kafka-javascript-*/deps/librdkafka/tests/0081-admin.c | grep -vE '/(apis|acls_count)$')
  "$scripts/librdkafka.sh" --protocol "$1" --logs "$work/librdkafka-$1" --time-limit 60 \
    --tests "$(sed '/^0081$/d' <<<"$tests" | cat - <(echo "$parts") | paste -sd,)"
}

# The tests that call what an installation of Apache Kafka has, and need neither access rules nor replicas.
run_librdkafka_tools() {
  local jars
  jars=$("$root/tests/peers/install.py" java | sed -n 's/^java: //p')/lib
  mkdir -p "$work/kafka/bin" "$work/kafka/libs"
  ln -s "$jars"/kafka-clients-*.jar "$work/kafka/libs"
  ln -s "$(realpath "$binary")" "$work/kafka/bin/kafka-topics.sh"
  printf '#!/bin/sh\nexec java -cp "$CLASSPATH:%s/*" "$@"\n' "$jars" >"$work/kafka/bin/kafka-run-class.sh"
  chmod +x "$work/kafka/bin/kafka-run-class.sh"
  "$scripts/librdkafka.sh" --list >/dev/null || return 2
  (cd "$cache"/kafka-javascript-*/deps/librdkafka/tests/java && javac -nowarn -cp "$jars/*" ./*.java) || return 2
  KAFKA_PATH="$work/kafka" "$scripts/librdkafka.sh" --logs "$work/librdkafka-tools" --time-limit 20 \
    --tests 0052,0077,0113/o_java_interop
}

run_suite() {
  case $1 in
    java|java-more|java-broker|oracles) run_java "$1" ;;
    franz-go) "$scripts/franz-go.sh" --logs "$work/$1" --time-limit 10 ;;
    librdkafka) run_librdkafka classic ;;
    librdkafka-consumer) run_librdkafka consumer ;;
    librdkafka-tools) run_librdkafka_tools ;;
    *) "$scripts/$1.sh" --logs "$work/$1" --time-limit 20 ;;
  esac
}

# Names of a suite's failed tests: of librdkafka the number, and the part, without the words; of Go the
# test, without its cases.
failed_of() {
  sed -nE 's/^FAILED (\(no result[^)]*\) )?([^ ]*).*/\2/p' "$1" |
    sed -E 's/^([0-9]{4})_[a-z_0-9]*/\1/; s|^(Test[A-Za-z0-9_]*)/.*|\1|' | sort -u
}
# What is missing is so whichever protocol groups have.
missing_of() { sed -n "s|^${1%-consumer} \([^ ]*\): .*|\1|p" "$missing" | sort -u; }

# Of the names of a suite that failed unexpectedly, those that fail alone too.
fail_again() {
  local suite=$1 name method
  shift
  for name; do
    case $suite in
      java*)
        method=${name#"${name%#*}"}
        run_java "${name%#*}" ${method:+--methods "${method#?}"} >"$work/again.out" 2>&1 </dev/null
        if grep -qE '^[1-9][0-9]* passed, 0 failed' "$work/again.out"; then
          echo "suites: $suite: $name failed, and passed when tried once more" >&2
          sed -n "s|^FAILED $name|suites: the first time:|p" "$work/$suite.out" >&2
          continue
        fi ;;
    esac
    echo "$name"
  done
}

judge() {
  local suite=$1 out=$2 unknown fixed closing
  closing=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$out" | tail -n 1)
  if [ -z "$closing" ]; then
    tail -n 20 "$out"
    echo "SKIP suites: $suite could not run: $(tail -n 1 "$out" | cut -c1-200)"
    return
  fi
  unknown=$(comm -23 <(failed_of "$out") <(missing_of "$suite"))
  unknown=$(fail_again "$suite" $unknown)
  fixed=$(comm -13 <(failed_of "$out") <(missing_of "$suite"))
  for name in $unknown; do echo "FAIL suites: $suite: $name"; done
  for name in $fixed; do echo "FAIL suites: $suite: $name passes: take it off suites.missing"; done
  [ -n "$unknown$fixed" ] || echo "PASS suites: $suite: $closing, the failed ones on the list"
  [ -z "$unknown$fixed" ]
}

status=0
start_broker || { cat "$work"/*.log; echo "FAIL suites: the broker does not start"; exit 1; }
for suite; do
  case " ${every//$'\n'/ } " in *" $suite "*) ;; *) echo "no suite $suite (try --help)" >&2; exit 2 ;; esac
  run_suite "$suite" >"$work/$suite.out" 2>&1 </dev/null
  judge "$suite" "$work/$suite.out" || status=1
done
if ! kill -0 "$broker" 2>/dev/null; then
  cat "$work/broker.log"
  echo "FAIL suites: the broker ended"
  status=1
fi
exit $status

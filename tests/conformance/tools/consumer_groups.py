"""kafka-consumer-groups and kafka-groups, over groups in every state (group_state.py). Share and streams
groups, which only Apache Kafka serves so far, are looked at there, by both tools."""
import group_state
from table import lines

CROSSED = {"consumer-groups", "groups"}
SETTINGS = group_state.SETTINGS
FILES = {
    "plan.csv": "g,0,5\ng,1,1\n",
    "plan-groups.csv": "empty,g,0,5\nsimple,g,0,1\nstranger,g,0,0\n",
    "plan-quoted.csv": '"g", 0 ,2\r\n"g-more",0,99\n',
    "plan-short.csv": "g,1\ng\n",
    "plan-twice.csv": "g,0,1\ng,0,4\n\n\n",
    "plan-unknown.csv": "nowhere,0,1\n",
    "plan-bad.csv": "g,x,1\n",
    "plan-number.csv": "empty,g,x,1\n",
    "plan-many.csv": "a,b,1,2,3\n",
    "plan-hole.csv": "g,0,1\n\ng,1,1\n",
    "plan-nothing.csv": "",
}
S = "--bootstrap-server {server}"
R = S + " --reset-offsets --dry-run --group"
X = S + " --reset-offsets --execute --group"
D = S + " --describe --group"
L = S + " --list"
DEAD = "--bootstrap-server {dead} --timeout 1000"
MISTAKES = lines("""
(none)
--help
--version
--bogus
--list
--describe --group x
S
L --group
S --group
S --timeout
L --describe --group x
L --bogus
L --members --verbose
L --offsets --members --verbose --type
D stable --type
S --verbose
L --group stable
L --topic g
D stable --topic g
D stable --all-groups
S --describe
S --describe --all-groups --group x
D stable --members --state
D stable --members --offsets --state
D stable --state x
D stable --state x --state y
S --delete
S --delete --group empty --topic g
S --delete-offsets --group simple
S --delete-offsets --topic g
S --delete-offsets --group simple --all-topics
S --reset-offsets --topic g --to-earliest
R empty --execute --topic g --to-earliest
S --reset-offsets --group empty --topic g
R empty --to-earliest
R empty --topic g
R empty --topic g --to-earliest --to-latest
R empty --topic g --to-offset 1 --shift-by 1
R empty --topic g --from-file {dir}/plan.csv --to-current
R empty --topic g --by-duration PT1S --to-datetime 2020-01-01T00:00:00.000
L --state nonsense
L --state stable,nonsense
L --state unknown
L --state preparing-rebalance
L --type nonsense
L --type share
L --state stable --state empty
L --type classic --type consumer
L --timeout x
L --timeout 1 --timeout 2
L --to-offset x
L --shift-by x
L --shift-by 1 --shift-by 2
L --by-duration PT1S --by-duration PT2S
L --to-offset 99999999999999999999
L --command-config {dir}/missing.properties
L --command-config {dir}/client.properties
L --command-config a --command-config b
L --bootstrap-server b:1
--bootstrap-server bad --list
S --delete-offsets --group simple --group empty --topic g
S --delete-offsets --group simple --topic g:0:1
S --delete-offsets --group simple --topic g:x
R empty --topic g:x --to-earliest
R empty --topic g: --to-earliest
R empty --topic : --to-earliest
R empty --topic g:0:1 --to-earliest
R empty --topic g:0,x --to-earliest
R empty --topic g:,0 --to-earliest
R empty --topic g:99999999999 --to-earliest
DEAD --list
DEAD --list --state
DEAD --describe --group x
DEAD --describe --all-groups
DEAD --delete --group x
DEAD --reset-offsets --dry-run --group x --topic g --to-earliest
""", S=S, L=L, D=D, R=R, DEAD=DEAD)
REGEXES = ["abc", "", "a(", "a)", "(a", "[a", "[b-a]", "*a", "+", "|*", "a**", "a++", "a{1001}", "a{2,1}",
           "a{,2}", "a{1", "a\\", r"\8", r"\k<a>", r"\xz", r"\x{110000}", r"\x{41}", r"\Z", "(?<n",
           "(?P<n>a)", "(?P<n>a)(?P<n>b)", "(?P<n>a)(?P<m>b)", "(?P<1 >a)", "(?z)a", "(?=a)", "(?i", "(?i)a", "[[:foo:]]", "[[:alpha:]]", r"[a-\d]",
           "[]a]", "[^]", "(|a)*", r"\Qa*\Eb", "topic-.*|other", r"\p{Greek}", r"\pX"]
VALIDATED = [f"--validate-regex '{regex}'" for regex in REGEXES] + lines("""
--validate-regex
--validate-regex x --list
--validate-regex x --validate-regex y
--validate-regex x --describe --group y
""")
LOOKS = lines("""
L
L --state
L --type
L --state --type
L --state=
L --state stable
L --state stable,empty
L --state Stable,EMPTY --type
L --state preparingrebalance
L --state dead
L --type classic
L --type CLASSIC,consumer --state
L extra words
S --list --dry-run --export
D stable
D stable --offsets
D stable --verbose
D stable --members
D stable --members --verbose
D stable --state
D stable --state --verbose
D stable-bare-a
D stable-bare-a --verbose
D static
D static --members
D static --members --verbose
D empty
D empty --verbose
D empty --members
D empty --members --verbose
D empty --state
D empty --state --verbose
D empty-bare
D empty-bare --members
D empty-bare --state
D simple
D simple --members
D simple --state
D completing
D completing --members
D completing --members --verbose
D completing --state
D preparing-a
D preparing-a --members --verbose
D preparing-a --state
D other-protocol
D other-protocol --members
D other-protocol --state
D nobody
D nobody --members
D nobody --state
D a-group-with-a-very-long-name-indeed-a
D stable --group empty --group simple
D stable --group empty --group simple --members
D stable --group empty --group simple --state --verbose
D simple --group simple
D simple --group nobody
S --describe --all-groups
S --describe --all-groups --members
S --describe --all-groups --members --verbose
S --describe --all-groups --state
""", S=S, L=L, D=D)
RESETS = lines("""
S --reset-offsets --group empty --all-topics --to-earliest
R empty --all-topics --to-earliest
R empty --all-topics --to-latest
R empty --all-topics --to-current
R empty --all-topics --to-offset 3
R empty --all-topics --to-offset 3 --export
R empty --group simple --all-topics --to-offset 3 --export
R empty --group simple --all-topics --to-offset 3
R empty --topic g --all-topics --to-earliest
R empty --topic g --shift-by -1
R empty --topic g --shift-by 100
R empty --topic g --shift-by -100
R empty --topic g:0 --shift-by 1
R simple --topic g --shift-by 1
R empty --topic g:0,1 --topic g-more --to-offset 2
R empty --topic g --topic g --to-earliest
R empty --topic g:0, --to-earliest
R empty --topic g:+1 --to-earliest
R empty --topic g:0,0 --to-earliest
R empty --topic g:0 --topic g --to-latest
R empty --topic g:9,8,0 --to-offset 2
R empty --topic g:-1 --to-offset 2
R empty --topic g:2147483647 --to-offset 2
R empty --topic g:2147483648 --to-offset 2
R empty --topic nowhere --to-offset 2
R empty --topic nowhere:0 --to-offset 2
R empty --topic '' --to-offset 2
R empty --topic :0 --to-offset 2
R empty --topic g --to-offset x
R empty --topic g --to-offset -5
R empty --topic g --to-offset 1 --to-offset 2
R nobody --topic g --to-offset 2
R nobody --topic g --to-current
R nobody --topic g --to-current --export
R nobody --group neither --topic g --to-current --export
R nobody --group nobody --topic g --to-current --export
R nobody --all-topics --to-offset 2
R nobody --topic g-many --to-earliest
R nobody --topic g-many --to-current
R nobody --topic g-many:3,17,29,4,12 --topic g --to-current --export
R stable --topic g --to-offset 2
R completing --topic g --to-offset 2
R preparing-a --topic g --to-offset 2
R other-protocol --topic g --to-offset 2
R stable --group empty --topic g:0 --to-latest
S --reset-offsets --dry-run --all-groups --topic g:0 --to-offset 2
S --reset-offsets --dry-run --all-groups --topic g:0 --to-current --export
R empty --topic g --to-datetime 2020-09-13T12:26:42.000
R empty --topic g --to-datetime 2020-09-13T12:26:42.000Z
R empty --topic g --to-datetime 2020-09-13T12:26:42.000ZZ
R empty --topic g --to-datetime 2020-09-13T14:26:43.500+02:00
R empty --topic g --to-datetime 2020-09-13T14:56:43.500+02:30
R empty --topic g --to-datetime 2020-09-13T14:26:43.500+0200
R empty --topic g --to-datetime 2020-09-13T14:26:43.500+02
R empty --topic g --to-datetime 2020-09-13T09:26:43.500-03
R empty --topic g --to-datetime 2020-09-13T12:26:42.1
R empty --topic g --to-datetime 2020-9-3T1:2:3.4
R empty --topic g --to-datetime 2020-09-13T12:26:42
R empty --topic g --to-datetime 2020-09-13T12:26
R empty --topic g --to-datetime 2020-09-13
R empty --topic g --to-datetime bogus
R empty --topic g --to-datetime 2020-13-01T00:00:00.000
R empty --topic g --to-datetime 2021-02-29T00:00:00.000
R empty --topic g --to-datetime 2020-02-29T00:00:00.000
R empty --topic g --to-datetime 2020-09-13T24:00:00.000
R empty --topic g --to-datetime 2020-09-13T12:26:42.000+25
R empty --topic g --to-datetime 2030-01-01T00:00:00.000
R empty --topic g --by-duration P10000D
R empty --topic g --by-duration PT1S
R empty --topic g --by-duration p1dt2h3m4.5s
R empty --topic g --by-duration -PT1S
R empty --topic g --by-duration P-1D
R empty --topic g --by-duration PT
R empty --topic g --by-duration P
R empty --topic g --by-duration P1Y
R empty --topic g --by-duration PT1.1234567890S
R empty --topic g --by-duration bogus
R empty --topic g --by-duration P106751991167301D
R empty --topic g --by-duration P999999999999999999999D
R empty --topic g --by-duration PT99999999999999999999S
R empty --topic g --by-duration P100000000000D
R empty --topic g --by-duration P1000000000000D
R empty --from-file {dir}/plan.csv
R empty --from-file {dir}/plan.csv --topic g-more
R empty --from-file {dir}/plan-quoted.csv
R empty --from-file {dir}/plan-short.csv
R empty --from-file {dir}/plan-twice.csv
R empty --from-file {dir}/plan-unknown.csv
R empty --from-file {dir}/plan-groups.csv
R empty --group simple --from-file {dir}/plan-groups.csv
R empty --group simple --group simple-two-d --from-file {dir}/plan-groups.csv
R empty --group simple --from-file {dir}/plan.csv
R empty --from-file {dir}/missing.csv
R empty --from-file {dir}/plan-bad.csv
R empty --from-file {dir}/plan-number.csv
R empty --from-file {dir}/plan-many.csv
R empty --from-file {dir}/plan-hole.csv
R empty --from-file {dir}/plan-nothing.csv
R empty --from-file {dir}/plan.csv --export
R a,b --topic g --to-latest --export
R 'a "b"' --group c --topic g:1 --to-latest --export
R abcdefghijklmnopqrstuvwx --group abcdefghijklmnopqrstuvwxy --topic g:1 --to-latest --export
X empty --topic g --to-offset 1
D empty
X empty --all-topics --to-latest
D empty --verbose
X brand-new-b --topic g --to-latest
D brand-new-b
X brand-new-b --topic g --shift-by -1
D brand-new-b
X stable --topic g --to-latest
X empty --from-file {dir}/plan.csv
D empty
""", S=S, R=R, X=X, D=D)
DELETIONS = lines("""
S --delete-offsets --group simple --topic g:0,1
S --delete-offsets --group simple --topic g
S --delete-offsets --group simple --topic g --topic g-more
S --delete-offsets --group simple --topic g:0 --topic g:0
S --delete-offsets --group simple --topic g:10 --topic g1:0
S --delete-offsets --group simple --topic g1:0,1 --topic g:11,10 --topic g
S --delete-offsets --group simple --topic nowhere
S --delete-offsets --group simple --topic nowhere --topic g
S --delete-offsets --group simple --topic nowhere:0
S --delete-offsets --group simple --topic g:99
S --delete-offsets --group simple --topic ''
S --delete-offsets --group nobody --topic g
S --delete-offsets --group nobody --topic nowhere
S --delete-offsets --group '' --topic g
S --delete --group ''
S --delete-offsets --group stable --topic g
S --delete-offsets --group stable --topic g-more
S --delete-offsets --group empty --topic g:1,0
S --delete-offsets --group other-protocol --topic g
S --delete-offsets --group completing --topic g
D empty
S --delete --group to-delete-a
S --delete --group to-delete-a
S --delete --group to-delete-two --group stable --group nobody
S --delete --group stable --group completing
S --delete --group nobody --group nobody
S --delete --group other-protocol
S --delete --all-groups
L --state
""", S=S, D=D, L=L)
LISTS = lines("""
(none)
--help
--version
--list
--bogus
S
S --bogus
L
L extra
L --list
L --protocol
L --protocol consumer
L --protocol ''
L --protocol connect
L --protocol nothing
L --group-type classic
L --group-type CLASSIC
L --group-type nonsense
L --group-type unknown
L --group-type classic --group-type share
L --group-type classic --protocol consumer
L --group-type classic --protocol ''
L --consumer
L --share
L --streams
L --consumer --share
L --share --streams
L --group-type classic --consumer
L --protocol consumer --streams
L --command-config {dir}/missing.properties
L --command-config {dir}/client.properties
L --bootstrap-server b:1
--bootstrap-server bad --list
S --help --list
--version --list
""", S=S, L=L)
NEWER = lines("""
D mixed-a
D mixed-a --members
D mixed-a --members --verbose
D mixed-a --state --verbose
R mixed-a --topic g --to-offset 2
L --state --type
L --type consumer
L --type consumer --state stable
L --state assigning,reconciling
D new-e
D new-e --verbose
D new-e --members
D new-e --members --verbose
D new-e --state
D new-e --state --verbose
D new-two-c
D new-two-c --members --verbose
D new-two-c --state --verbose
D new-empty-h
D new-empty-h --verbose
D new-empty-h --members
D new-empty-h --state --verbose
S --describe --all-groups
S --describe --all-groups --members --verbose
S --describe --all-groups --state --verbose
S --describe --group ''
R '' --topic g --to-earliest
R new-e --topic g --to-offset 2
X new-empty-h --all-topics --to-latest
D new-empty-h
S --delete-offsets --group new-e --topic g
S --delete-offsets --group new-e --topic g-more
S --delete-offsets --group new-empty-h --topic g
S --delete --group new-e
S --delete --group new-empty-h
""", S=S, L=L, D=D, R=R, X=X)
STRANGERS = lines("""
D shared-d
D streaming-j --state
R shared-d --topic g --to-offset 2
X shared-d --topic g --to-offset 2
R streaming-j --topic g --to-offset 2
X streaming-j --topic g --to-offset 2
S --delete-offsets --group shared-d --topic g
S --delete --group shared-d
S --delete --group streaming-j
L --state --type
S --describe --all-groups --state
""", S=S, L=L, D=D, R=R, X=X)
CASES = ([("consumer-groups", line) for line in [L, L + " --state", *MISTAKES[:7], *VALIDATED]]
         + [("groups", L), ("consumer-groups", group_state.classic)]
         + [("consumer-groups", line) for line in MISTAKES + LOOKS + RESETS]
         + [("groups", line) for line in LISTS]
         + [("consumer-groups", line) for line in DELETIONS]
         + [("consumer-groups", group_state.consumer)]
         + [("consumer-groups", line) for line in NEWER]
         + [("groups", line) for line in LISTS[7:9] + LISTS[11:27]])
APACHE_CASES = ([("consumer-groups", group_state.strangers)]
                + [("consumer-groups", line) for line in STRANGERS]
                + [("groups", line) for line in LISTS[7:9] + LISTS[11:27]])

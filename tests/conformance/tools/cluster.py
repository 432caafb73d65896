"""kafka-cluster, kafka-features, kafka-metadata-quorum, kafka-broker-api-versions."""
from table import lines

S = "--bootstrap-server {server}"
CLUSTER = lines("""
(none)
-h
--help
--version
bogus
--bogus
cluster-id
cluster-id --help
cluster-id S
cluster-id -b {server}
cluster-id S --bootstrap-controller {controller}
cluster-id S --command-config {dir}/client.properties
cluster-id S --config {dir}/client.properties
cluster-id S --config {dir}/client.properties --command-config {dir}/client.properties
cluster-id S --command-config {dir}/missing.properties
cluster-id S extra
cluster-id S --bogus
cluster-id --bootstrap-server bad
cluster-id --bootstrap-server
unregister
unregister S
unregister S --id x
unregister S --id 4294967297
unregister S --id 77
unregister --help
list-endpoints
list-endpoints S
list-endpoints S --include-fenced-brokers
list-endpoints --help
cluster-id S --id 1
cluster-id S --include-fenced-brokers
""", S=S)
FEATURES = lines("""
(none)
-h
--help
--version
bogus
--bogus
describe
S
S bogus
S describe
S describe --node-id 1
S describe --node-id x
S describe extra
S describe --bogus
S describe --help
S --bootstrap-controller {controller} describe
S --command-config {dir}/missing.properties describe
S version-mapping
S version-mapping --release-version 3.9
S version-mapping --release-version 9.9
S feature-dependencies
S feature-dependencies --feature transaction.version=2
S feature-dependencies --feature bogus=1
S feature-dependencies --feature group.version
S feature-dependencies --feature metadata.version=25
S upgrade
S upgrade --feature group.version=1 --dry-run
S upgrade --feature bogus=1
S upgrade --feature group.version
S upgrade --feature group.version=x
S upgrade --metadata 4.3 --dry-run
S upgrade --metadata 9.9
S upgrade --release-version 4.3 --dry-run
S upgrade --release-version 4.3 --metadata 4.3
S upgrade --release-version 9.9
S upgrade --feature group.version=1 --feature group.version=1
S downgrade
S downgrade --feature transaction.version=1 --dry-run
S downgrade --metadata 3.0
S downgrade --unsafe --feature group.version=0 --dry-run
S downgrade --release-version 4.0 --dry-run
S disable
S disable --feature bogus --dry-run
S disable --feature group.version --dry-run
S disable --feature metadata.version --dry-run
S upgrade --help
S downgrade --help
S disable --help
S downgrade --feature transaction.version=1
S upgrade --feature transaction.version=2
S downgrade --feature group.version=0
S upgrade --feature group.version=1
S upgrade --feature group.version=9
""", S=S)
QUORUM = lines("""
(none)
-h
--help
--version
bogus
describe
S
S bogus
S describe
S describe --status
S describe --replication
S describe --replication --human-readable
S describe --status --replication
S describe --status --human-readable
S describe --bogus
S describe --help
S --bootstrap-controller {controller} describe --status
S --command-config {dir}/missing.properties describe --status
S describe extra --status
S add-controller
S add-controller --help
S remove-controller
S remove-controller --help
S remove-controller --controller-id x --controller-directory-id AAAAAAAAAAAAAAAAAAAAAQ
S remove-controller --controller-id -1 --controller-directory-id AAAAAAAAAAAAAAAAAAAAAQ
S remove-controller --controller-id 2 --controller-directory-id bogus
S remove-controller --controller-id 2 --controller-directory-id AAAAAAAAAAAAAAAAAAAAAQ --dry-run
S remove-controller --controller-id 2
S --command-config {dir}/controller.properties add-controller --dry-run
S --command-config {dir}/broker.properties add-controller --dry-run
""", S=S)
VERSIONS = lines("""
S S
(none)
--help
--version
--bogus
--bootstrap-server
S
S --command-config {dir}/missing.properties
--bootstrap-server bad
S extra
--command-config {dir}/client.properties
""", S=S)
CASES = ([("cluster", line) for line in CLUSTER] + [("features", line) for line in FEATURES]
         + [("metadata-quorum", line) for line in QUORUM]
         + [("broker-api-versions", line) for line in VERSIONS])

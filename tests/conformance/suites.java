# Tests of Apache Kafka's clients and coordinators that one node can serve (read by the Java suite's runner): a
# choice for every day. suites.java-more and suites.java-broker have the rest.
org.apache.kafka.clients.producer.ProducerCompressionTest 120
org.apache.kafka.clients.producer.ProducerIntegrationTest 120
org.apache.kafka.clients.admin.AdminFenceProducersTest 120
org.apache.kafka.clients.admin.ConcurrentListOffsetsRequestTest 120
org.apache.kafka.clients.consumer.PlaintextConsumerAssignTest 240
org.apache.kafka.clients.consumer.PlaintextConsumerCloseTest 120
org.apache.kafka.clients.consumer.PlaintextConsumerSubscriptionTest 240
kafka.server.ConsumerGroupHeartbeatRequestTest 300
kafka.server.ConsumerProtocolMigrationTest 600
kafka.server.OffsetFetchRequestTest 120
kafka.server.TxnOffsetCommitRequestTest 120
org.apache.kafka.tools.ConfigCommandIntegrationTest 240

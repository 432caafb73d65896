# Tests of Apache Kafka's clients that one node can serve (read by the Java suite's runner).
org.apache.kafka.clients.producer.ProducerCompressionTest 120
org.apache.kafka.clients.admin.AdminFenceProducersTest 120

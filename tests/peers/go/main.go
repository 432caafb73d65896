// franz-go through the scenario: client BOOTSTRAP TOPICS
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions = 3
	records    = 20
	timestamp  = int64(1700000000000)
	patience   = 120 * time.Second
)

type client struct {
	bootstrap, topics string
	admin             *kadm.Client
}

func deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 2*patience)
}

func (c *client) open(options ...kgo.Opt) *kgo.Client {
	opened, err := kgo.NewClient(append(options, kgo.SeedBrokers(c.bootstrap))...)
	must(err)
	return opened
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(got, wanted any, what string) {
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		panic(fmt.Sprintf("%s: got %v, expected %v", what, got, wanted))
	}
}

func await(what string, condition func() bool) {
	for end := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			panic("waited for " + what)
		}
	}
}

func (c *client) create(name string) string {
	ctx, cancel := deadline()
	defer cancel()
	topic := c.topics + "-" + name
	answer, err := c.admin.CreateTopic(ctx, partitions, 1, nil, topic)
	must(err)
	must(answer.Err)
	return topic
}

func record(topic string, partition, i int) *kgo.Record {
	return &kgo.Record{
		Topic: topic, Partition: int32(partition),
		Key:       []byte(fmt.Sprintf("key-%d-%d", partition, i)),
		Value:     []byte(fmt.Sprintf("value %d ", i) + strings.Repeat("x", 100)),
		Timestamp: time.UnixMilli(timestamp + 1000*int64(i)),
		Headers:   []kgo.RecordHeader{{Key: "one", Value: []byte(fmt.Sprint(i))}, {Key: "two"}},
	}
}

func (c *client) produce(topic string, codec kgo.CompressionCodec) {
	ctx, cancel := deadline()
	defer cancel()
	producer := c.open(kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond))
	defer producer.Close()
	var all []*kgo.Record
	for partition := 0; partition < partitions; partition++ {
		for i := 0; i < records; i++ {
			all = append(all, record(topic, partition, i))
		}
	}
	must(producer.ProduceSync(ctx, all...).FirstErr())
}

func (c *client) read(topic string, partition int, from int64, count int) []*kgo.Record {
	ctx, cancel := deadline()
	defer cancel()
	where := map[string]map[int32]kgo.Offset{topic: {int32(partition): kgo.NewOffset().At(from)}}
	reader := c.open(kgo.ConsumePartitions(where))
	defer reader.Close()
	var found []*kgo.Record
	for len(found) < count {
		fetches := reader.PollFetches(ctx)
		must(fetches.Err())
		found = append(found, fetches.Records()...)
	}
	return found
}

func describe(r *kgo.Record) string {
	text := fmt.Sprintf("%s=%s@%d", r.Key, r.Value, r.Timestamp.UnixMilli())
	for _, header := range r.Headers {
		text += fmt.Sprintf(" %s=%s", header.Key, header.Value)
	}
	return text
}

func (c *client) roundTrip(name string, codec kgo.CompressionCodec) {
	topic := c.create(name)
	c.produce(topic, codec)
	for partition := 0; partition < partitions; partition++ {
		for i, got := range c.read(topic, partition, 0, records) {
			check(describe(got), describe(record(topic, partition, i)), "record")
			check(got.Offset, i, "offset")
		}
	}
}

func (c *client) seeks() {
	topic := c.create("seek")
	c.produce(topic, kgo.NoCompression())
	check(c.read(topic, 1, 15, 5)[0].Offset, 15, "from 15")
	check(c.read(topic, 1, 3, 1)[0].Offset, 3, "from 3")
}

func offset(listed kadm.ListedOffsets, err error, topic string) int64 {
	must(err)
	found, _ := listed.Lookup(topic, 0)
	must(found.Err)
	return found.Offset
}

func (c *client) listsOffsets() {
	ctx, cancel := deadline()
	defer cancel()
	topic := c.create("offsets")
	c.produce(topic, kgo.Lz4Compression())
	listed, err := c.admin.ListStartOffsets(ctx, topic)
	check(offset(listed, err, topic), 0, "earliest")
	listed, err = c.admin.ListEndOffsets(ctx, topic)
	check(offset(listed, err, topic), records, "latest")
	listed, err = c.admin.ListOffsetsAfterMilli(ctx, timestamp+3500, topic)
	check(offset(listed, err, topic), 4, "by time")
}

func (c *client) deletesRecords() {
	ctx, cancel := deadline()
	defer cancel()
	topic := c.create("delete")
	c.produce(topic, kgo.NoCompression())
	var where kadm.Offsets
	where.AddOffset(topic, 0, 7, -1)
	answer, err := c.admin.DeleteRecords(ctx, where)
	must(err)
	must(answer.Error())
	listed, err := c.admin.ListStartOffsets(ctx, topic)
	check(offset(listed, err, topic), 7, "earliest")
}

func (c *client) setting(ctx context.Context, topic string) string {
	configs, err := c.admin.DescribeTopicConfigs(ctx, topic)
	must(err)
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" {
			return config.MaybeValue()
		}
	}
	return "absent"
}

func (c *client) altersConfigs() {
	ctx, cancel := deadline()
	defer cancel()
	topic := c.create("configs")
	value := "123456"
	answer, err := c.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, topic)
	must(err)
	must(answer[0].Err)
	await("retention.ms", func() bool { return c.setting(ctx, topic) == value })
}

func (c *client) describesCluster() {
	ctx, cancel := deadline()
	defer cancel()
	metadata, err := c.admin.BrokerMetadata(ctx)
	must(err)
	check(len(metadata.Brokers), 1, "brokers")
	check(fmt.Sprintf("%s:%d", metadata.Brokers[0].Host, metadata.Brokers[0].Port), c.bootstrap,
		"address")
}

func (c *client) deletesTopics() {
	ctx, cancel := deadline()
	defer cancel()
	topic := c.create("gone")
	answer, err := c.admin.DeleteTopic(ctx, topic)
	must(err)
	must(answer.Err)
	await("deletion", func() bool {
		listed, err := c.admin.ListTopics(ctx)
		must(err)
		return !listed.Has(topic)
	})
}

func (c *client) member(topic string) *kgo.Client {
	return c.open(kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
}

// gather polls the members in turn until enough says so.
func gather(members []*kgo.Client, found map[string]bool, what string, enough func() bool) {
	await(what, func() bool {
		for _, member := range members {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			member.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
				found[fmt.Sprintf("%d %d", record.Partition, record.Offset)] = true
			})
			cancel()
		}
		return enough()
	})
}

// consumesInAGroup: two members share the partitions, commit, and a third goes on where they stopped.
func (c *client) consumesInAGroup() {
	topic := c.create("group")
	found, later := map[string]bool{}, map[string]bool{}
	members := []*kgo.Client{c.member(topic), c.member(topic)}
	ctx, cancel := deadline()
	defer cancel()
	gather(members, found, "both to have partitions", func() bool {
		groups, err := c.admin.DescribeGroups(ctx, topic)
		must(err)
		shares := 0
		for _, member := range groups[topic].Members {
			if assigned, ok := member.Assigned.AsConsumer(); ok && len(assigned.Topics) > 0 {
				shares++
			}
		}
		return groups[topic].State == "Stable" && shares == 2
	})
	c.produceAll(topic)
	gather(members, found, "all records", func() bool { return len(found) == partitions*records })
	for _, member := range members {
		must(member.CommitUncommittedOffsets(ctx))
	}
	for _, member := range members {
		member.Close()
	}
	c.produceAll(topic)
	last := c.member(topic)
	gather([]*kgo.Client{last}, later, "the new records",
		func() bool { return len(later) >= partitions*records })
	for place := range later {
		check(found[place], false, "read again: "+place)
	}
	last.Close()
}

func (c *client) produceAll(topic string) {
	ctx, cancel := deadline()
	defer cancel()
	writer := c.open(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer writer.Close()
	for partition := int32(0); partition < partitions; partition++ {
		for i := 0; i < records; i++ {
			must(writer.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: partition,
				Value: []byte(fmt.Sprint(i))}).FirstErr())
		}
	}
}

var failed bool

func run(name string, work func()) {
	defer func() {
		if why := recover(); why != nil {
			failed = true
			fmt.Printf("FAIL %s: %.200v\n", name, why)
		} else {
			fmt.Println("PASS " + name)
		}
	}()
	work()
}

func main() {
	if os.Args[1] == "member" {
		member(os.Args[2:])
		return
	}
	if os.Args[1] == "transactions" {
		transactions(os.Args[2:])
	}
	c := &client{bootstrap: os.Args[1], topics: os.Args[2]}
	c.admin = kadm.NewClient(c.open())
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		run("round_trip_"+name, func() { c.roundTrip(name, codec) })
	}
	run("seeks", c.seeks)
	run("lists_offsets", c.listsOffsets)
	run("deletes_records", c.deletesRecords)
	run("alters_configs", c.altersConfigs)
	run("describes_cluster", c.describesCluster)
	run("deletes_topics", c.deletesTopics)
	run("consumes_in_a_group", c.consumesInAGroup)
	fmt.Println("\ndone")
	if failed {
		os.Exit(1)
	}
}

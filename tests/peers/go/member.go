package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// show prints one line of what happens to a member, as the other clients do.
func show(what string, partitions map[string][]int32) {
	var names []string
	for topic, numbers := range partitions {
		for _, number := range numbers {
			names = append(names, fmt.Sprintf("%s-%d", topic, number))
		}
	}
	sort.Strings(names)
	fmt.Println(strings.TrimRight(what+" "+strings.Join(names, ","), " "))
}

// member is one of a group whose partitions the broker assigns: BOOTSTRAP GROUP TOPIC, until SIGTERM.
func member(arguments []string) {
	c := &client{bootstrap: arguments[0]}
	told := func(what string) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			show(what, partitions)
		}
	}
	consumer := c.open(kgo.ConsumerGroup(arguments[1]), kgo.ConsumeTopics(arguments[2]),
		kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitInterval(500*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.OnPartitionsAssigned(told("assigned")), kgo.OnPartitionsRevoked(told("revoked")),
		kgo.OnPartitionsLost(told("lost")))
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	for stop.Err() == nil {
		consumer.PollFetches(stop).EachRecord(func(record *kgo.Record) {
			fmt.Println("record", record.Topic, record.Partition, record.Offset, string(record.Value))
		})
	}
	consumer.Close()
	fmt.Println("closed")
}

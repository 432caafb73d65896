// franz-go in transactions:
// client transactions scenario BOOTSTRAP TOPICS | client transactions copy BOOTSTRAP SOURCE TARGET COUNT
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (c *client) writer(name string, options ...kgo.Opt) *kgo.Client {
	return c.open(append(options, kgo.TransactionalID(name), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionTimeout(30*time.Second))...)
}

func words(topic string, texts ...string) (all []*kgo.Record) {
	for i, text := range texts {
		all = append(all, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: []byte(text)})
	}
	return all
}

func (c *client) readAll(topic string, level kgo.IsolationLevel) (values []string) {
	ctx, cancel := deadline()
	defer cancel()
	var ends kadm.ListedOffsets
	// A commit is answered before what it ends is.
	await("nothing to be open any more", func() bool {
		var err error
		ends, err = c.admin.ListCommittedOffsets(ctx, topic)
		must(err)
		all, err := c.admin.ListEndOffsets(ctx, topic)
		must(err)
		return reflect.DeepEqual(ends.Offsets(), all.Offsets())
	})
	from := map[int32]kgo.Offset{}
	left := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		from[end.Partition] = kgo.NewOffset().At(0)
		if end.Offset > 0 {
			left[end.Partition] = end.Offset
		}
	})
	reader := c.open(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(level), kgo.KeepControlRecords())
	defer reader.Close()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		must(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				values = append(values, string(r.Value))
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	sort.Strings(values)
	return values
}

func end(writer *kgo.Client, commit kgo.TransactionEndTry) error {
	ctx, cancel := deadline()
	defer cancel()
	return writer.EndTransaction(ctx, commit)
}

func (c *client) commitsAndAborts() {
	topic := c.create("outcome")
	ctx, cancel := deadline()
	defer cancel()
	writer := c.writer(topic + "-writer")
	defer writer.Close()
	var wanted []string
	for i := 10; i < 20; i++ {
		var texts []string
		for j := 0; j < 5; j++ {
			texts = append(texts, fmt.Sprintf("%d-%d", i, j))
		}
		must(writer.BeginTransaction())
		must(writer.ProduceSync(ctx, words(topic, texts...)...).FirstErr())
		must(end(writer, i%3 != 1))
		if i%3 != 1 {
			wanted = append(wanted, texts...)
		}
	}
	check(c.readAll(topic, kgo.ReadCommitted()), wanted, "what is committed")
	check(len(c.readAll(topic, kgo.ReadUncommitted())), 50, "all records")
}

func (c *client) fencesAZombie() {
	topic := c.create("zombie")
	ctx, cancel := deadline()
	defer cancel()
	older, newer := c.writer(topic+"-writer"), c.writer(topic+"-writer")
	defer older.Close()
	defer newer.Close()
	must(older.BeginTransaction())
	must(older.ProduceSync(ctx, words(topic, "lost")...).FirstErr())
	must(newer.BeginTransaction())
	must(newer.ProduceSync(ctx, words(topic, "kept")...).FirstErr())
	err := older.ProduceSync(ctx, words(topic, "late")...).FirstErr()
	if err == nil {
		err = end(older, kgo.TryCommit)
	}
	if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		panic(fmt.Sprintf("the older one was not fenced: %v", err))
	}
	must(end(newer, kgo.TryCommit))
	check(c.readAll(topic, kgo.ReadCommitted()), []string{"kept"}, "what is committed")
}

var stopsAt = os.Getenv("COPIER_STOPS_AT")
var sessionTimeout = 45 * time.Second

/* Where a copier waits until somebody says a line, and then at each transaction's end. */
func step(session *kgo.GroupTransactSession, name string) {
	if name == stopsAt {
		stopsAt = "commit"
		ctx, cancel := deadline()
		defer cancel()
		must(session.Client().Flush(ctx))
		fmt.Println("stopped")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}
}

func (c *client) session(source, name string) *kgo.GroupTransactSession {
	var static []kgo.Opt
	if os.Getenv("COPIER_STOPS_AT") != "" { // one that comes back does not wait for the session of the one before
		static = append(static, kgo.InstanceID("copier"))
	}
	session, err := kgo.NewGroupTransactSession(append(static, kgo.SeedBrokers(c.bootstrap), kgo.TransactionalID(name),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumerGroup(name+"s"),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ConsumeTopics(source), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(sessionTimeout), kgo.TransactionTimeout(30*time.Second))...)
	must(err)
	return session
}

func (c *client) used(group, source string) (sum int64) {
	ctx, cancel := deadline()
	defer cancel()
	offsets, err := c.admin.FetchOffsets(ctx, group)
	if err != nil {
		return 0
	}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == source && o.Err == nil {
			sum += o.At
		}
	})
	return sum
}

/* One transaction over what a poll brings. */
func (c *client) pass(session *kgo.GroupTransactSession, target string, max int, commit bool) int {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	fetches := session.PollRecords(ctx, max)
	cancel()
	if fetches.NumRecords() == 0 {
		return 0
	}
	long, stop := deadline()
	defer stop()
	must(session.Begin())
	step(session, "begin")
	fetches.EachRecord(func(r *kgo.Record) {
		session.Produce(long, &kgo.Record{Topic: target, Partition: r.Partition, Value: r.Value}, nil)
	})
	step(session, "produce")
	committed, err := session.End(long, kgo.TransactionEndTry(commit))
	must(err)
	step(session, "commit")
	if committed != commit && commit {
		return 0
	}
	return fetches.NumRecords()
}

func (c *client) sendsOffsets() {
	source, target := c.create("source"), c.create("target")
	ctx, cancel := deadline()
	defer cancel()
	filler := c.open(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer filler.Close()
	var wanted []string
	for i := 100; i < 130; i++ {
		wanted = append(wanted, fmt.Sprint(i))
	}
	must(filler.ProduceSync(ctx, words(source, wanted...)...).FirstErr())
	session := c.session(source, target+"-copier")
	defer session.Close()
	await("records to abort", func() bool { return c.pass(session, target, 1000, false) > 0 })
	check(c.used(target+"-copiers", source), 0, "offsets after an abort")
	await("all records", func() bool {
		c.pass(session, target, 1000, true)
		return c.used(target+"-copiers", source) == 30
	})
	check(c.readAll(target, kgo.ReadCommitted()), wanted, "what is committed")
}

func (c *client) copyUntil(source, target string, count int64) (err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("%v", why)
		}
	}()
	session := c.session(source, source+"-copier")
	defer session.Close()
	step(session, "init")
	for c.used(source+"-copiers", source) < count {
		c.pass(session, target, 40, true)
	}
	return nil
}

func transactions(arguments []string) {
	c := &client{bootstrap: arguments[1], topics: arguments[2]}
	c.admin = kadm.NewClient(c.open())
	if arguments[0] == "copy" {
		sessionTimeout = 6 * time.Second // whoever comes after one that was killed waits for it
		count, err := strconv.ParseInt(arguments[4], 10, 64)
		must(err)
		for err = c.copyUntil(arguments[2], arguments[3], count); err != nil; {
			fmt.Fprintln(os.Stderr, "once more:", err)
			time.Sleep(100 * time.Millisecond)
			err = c.copyUntil(arguments[2], arguments[3], count)
		}
		os.Exit(0)
	}
	run("commits_and_aborts", c.commitsAndAborts)
	run("fences_a_zombie", c.fencesAZombie)
	run("sends_offsets", c.sendsOffsets)
	fmt.Println("\ndone")
	if failed {
		os.Exit(1)
	}
	os.Exit(0)
}

// @platformatic/kafka, which speaks the newest versions by itself: client.js BOOTSTRAP TOPICS
'use strict'
const assert = require('node:assert')

const [bootstrap, topics] = process.argv.slice(2)
const PARTITIONS = 3
const RECORDS = 20
const TIMESTAMP = 1700000000000n
const READ_SECONDS = 120
const base = { clientId: 'scenario', bootstrapBrokers: [bootstrap], retries: 20, retryDelay: 250, connectTimeout: 60000 }
let kafka, admin

async function waitFor (condition, what) {
  const end = Date.now() + READ_SECONDS * 1000
  while (!await condition()) {
    if (Date.now() > end) throw new Error(`waited ${READ_SECONDS} s for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

const partitions = [...Array(PARTITIONS).keys()]

// Until every partition has a leader that knows it: who sends earlier sends to all of them again.
async function create (name) {
  const topic = `${topics}-${name}`
  await admin.createTopics({ topics: [topic], partitions: PARTITIONS, replicas: 1 })
  const asked = { name: topic, partitions: partitions.map(partitionIndex => ({ partitionIndex, timestamp: -1n })) }
  await waitFor(() => admin.listOffsets({ topics: [asked] }).then(() => true, () => false), 'the topic')
  return topic
}

function records (topic) {
  return partitions.flatMap(partition => [...Array(RECORDS).keys()].map(i => ({
    topic,
    partition,
    key: `key-${partition}-${i}`,
    value: `value ${i} ${'x'.repeat(100)}`,
    headers: { one: String(i), two: '' },
    timestamp: TIMESTAMP + BigInt(1000 * i)
  })))
}

const plain = message => [message.partition, Number(message.offset), message.key, message.value,
  Object.fromEntries(message.headers), message.timestamp]
const sorted = messages => messages.map(plain).sort((a, b) => a[0] - b[0] || a[1] - b[1])

function newProducer (options) {
  return new kafka.Producer({ ...base, serializers: kafka.stringSerializers, ...options })
}

async function produce (topic, options) {
  const producer = newProducer(options)
  await producer.send({ acks: -1, messages: records(topic), ...options })
  await producer.close()
}

function newConsumer (group, options) {
  return new kafka.Consumer({
    ...base, groupId: `${topics}-${group}`, deserializers: kafka.stringDeserializers, maxWaitTime: 100, ...options
  })
}

// A stream is at its end only when it is broken off.
async function read (topic, group, count, options) {
  const consumer = newConsumer(group)
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false, ...options })
  const late = setTimeout(() => stream.destroy(new Error(`no ${count} records`)), READ_SECONDS * 1000)
  const found = []
  for await (const message of stream) {
    found.push(message)
    if (found.length >= count) break
  }
  clearTimeout(late)
  await consumer.close(true)
  return found
}

async function roundTrip (name, options) {
  const topic = await create(name)
  await produce(topic, options)
  const found = sorted(await read(topic, name, PARTITIONS * RECORDS))
  assert.deepStrictEqual(found, records(topic).map((record, i) =>
    [record.partition, i % RECORDS, record.key, record.value, record.headers, record.timestamp]))
}

async function listsOffsets () {
  const topic = await create('offsets')
  await produce(topic)
  const consumer = newConsumer('offsets')
  const all = count => new Map([[topic, Array(PARTITIONS).fill(BigInt(count))]])
  assert.deepStrictEqual(await consumer.listOffsets({ topics: [topic] }), all(RECORDS))
  assert.deepStrictEqual(await consumer.listOffsets({ topics: [topic], timestamp: -2n }), all(0))
  const found = await consumer.listOffsetsWithTimestamps({ topics: [topic], timestamp: TIMESTAMP + 3500n })
  assert.deepStrictEqual(found.get(topic).get(1), { offset: 4n, timestamp: TIMESTAMP + 4000n })
  await consumer.close(true)
}

// Two members have records of different partitions; what they commit is there when they have gone.
async function consumesInAGroup (protocol) {
  const name = `group-${protocol}`
  const topic = await create(name)
  const own = protocol === 'consumer' ? { rebalanceTimeout: 60000 } : { sessionTimeout: 45000, heartbeatInterval: 200 }
  const producer = newProducer()
  const members = []
  for (let i = 0; i < 2; i++) {
    const consumer = newConsumer(name, { groupProtocol: protocol, ...own })
    const stream = await consumer.consume({ topics: [topic], mode: 'latest', autocommit: 100 })
    const seen = new Set()
    stream.on('data', message => seen.add(message.partition))
    members.push({ consumer, seen })
  }
  await waitFor(async () => {
    for (const member of members) member.seen.clear()
    await producer.send({ acks: -1, messages: partitions.map(partition => ({ topic, partition, value: 'x' })) })
    await new Promise(resolve => setTimeout(resolve, 250))
    return members.map(member => member.seen.size).sort().join() === '1,2'
  }, 'both to have partitions')
  const listed = (await admin.listGroups({ types: [protocol] })).get(`${topics}-${name}`)
  assert.deepStrictEqual([listed.groupType, listed.state], [protocol, 'STABLE'])
  for (const member of members) await member.consumer.close(true)
  await producer.close()
  const [{ topics: committed }] = await admin.listConsumerGroupOffsets({ groups: [`${topics}-${name}`] })
  assert.strictEqual(committed[0].partitions.length, PARTITIONS)
  await admin.deleteGroups({ groups: [`${topics}-${name}`] })
}

async function transactions () {
  const topic = await create('transactions')
  const producer = newProducer({ idempotent: true, transactionalId: `${topics}-id` })
  for (const end of ['commit', 'abort', 'commit']) {
    const transaction = await producer.beginTransaction()
    await transaction.send({ messages: partitions.map(partition => ({ topic, partition, value: end })) })
    await transaction[end]()
  }
  await producer.close()
  const values = async (count, isolationLevel) =>
    (await read(topic, `isolation-${isolationLevel}`, count, { isolationLevel })).map(message => message.value).sort()
  assert.deepStrictEqual(await values(6, 1), Array(6).fill('commit'))
  assert.deepStrictEqual(await values(9, 0), [...Array(3).fill('abort'), ...Array(6).fill('commit')])
}

async function administers () {
  const topic = await create('admin')
  await produce(topic)
  const resource = { resourceType: 2, resourceName: topic }
  await admin.incrementalAlterConfigs({
    resources: [{ ...resource, configs: [{ name: 'retention.bytes', configOperation: 0, value: '123456789' }] }]
  })
  const [{ configs }] = await admin.describeConfigs({ resources: [resource] })
  assert.strictEqual(configs.find(config => config.name === 'retention.bytes').value, '123456789')
  const [deleted] = await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 7n }] }] })
  assert.strictEqual(deleted.partitions[0].lowWatermark, 7n)
  const more = { name: topic, count: PARTITIONS + 1 }
  await assert.rejects(admin.createPartitions({ topics: [{ ...more, assignments: [] }] }),
    error => /REPLICA_ASSIGNMENT/.test(require('node:util').inspect(error, { depth: 9 })))
  await admin.createPartitions({ topics: [{ ...more, assignments: [{ brokerIds: [1] }] }] })
  await admin.deleteTopics({ topics: [topic] })
  await waitFor(async () => !(await admin.listTopics()).includes(topic), 'deletion')
}

async function main () {
  kafka = await import('@platformatic/kafka')
  admin = new kafka.Admin(base)
  const cases = {
    round_trip_idempotent: () => roundTrip('idempotent', { idempotent: true }),
    lists_offsets: listsOffsets,
    consumes_in_a_classic_group: () => consumesInAGroup('classic'),
    consumes_in_a_consumer_group: () => consumesInAGroup('consumer'),
    transactions,
    administers
  }
  for (const compression of ['none', 'gzip', 'snappy', 'lz4']) {
    cases[`round_trip_${compression}`] = () => roundTrip(compression, { compression })
  }
  let failed = 0
  for (const [name, work] of Object.entries(cases)) {
    try {
      await work()
      console.log(`PASS ${name}`)
    } catch (error) {
      failed++
      console.log(require('node:util').inspect(error, { depth: 9 }))
      console.log(`FAIL ${name}: ${String(error.message).split('\n')[0]}`)
    }
  }
  console.log('\ndone')
  process.exit(failed ? 1 : 0)
}

main()

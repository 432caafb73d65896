// kafkajs through the scenario: client.js BOOTSTRAP TOPICS
'use strict'
const assert = require('node:assert')
const { Kafka, CompressionTypes, ConfigResourceTypes, logLevel } = require('kafkajs')

const [bootstrap, topics] = process.argv.slice(2)
const PARTITIONS = 3
const RECORDS = 20
const TIMESTAMP = 1700000000000
const kafka = new Kafka({
  clientId: 'scenario', brokers: [bootstrap], logLevel: logLevel.NOTHING, connectionTimeout: 60000, retry: { retries: 8 }
})
const admin = kafka.admin()

async function waitFor (condition, what, seconds = 120) {
  const end = Date.now() + seconds * 1000
  while (!await condition()) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

async function create (name) {
  const topic = `${topics}-${name}`
  await admin.createTopics({
    waitForLeaders: true, topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }]
  })
  return topic
}

function record (partition, i) {
  return {
    partition,
    key: `key-${partition}-${i}`,
    value: `value ${i} ${'x'.repeat(100)}`,
    headers: { one: String(i), two: '' },
    timestamp: String(TIMESTAMP + 1000 * i)
  }
}

async function produce (topic, codec, idempotent = false) {
  const producer = kafka.producer({ idempotent })
  await producer.connect()
  const messages = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let i = 0; i < RECORDS; i++) messages.push(record(partition, i))
  }
  await producer.send({ topic, compression: codec, messages })
  await producer.disconnect()
}

// kafkajs can only consume in a group, which the first brokers of ours do not have: read each
// partition through the fetch request of its own cluster object.
async function read (topic, partition, from, count) {
  const { createCluster } = internals()
  const cluster = createCluster()
  await cluster.connect()
  await cluster.addTargetTopic(topic)
  const leader = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0]
  const broker = await cluster.findBroker({ nodeId: leader })
  const found = []
  await waitFor(async () => {
    const fetchOffset = from + found.length
    const answer = await broker.fetch({
      maxWaitTime: 500,
      minBytes: 1,
      isolationLevel: 0,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(fetchOffset), maxBytes: 1 << 20 }] }]
    })
    for (const message of answer.responses[0].partitions[0].messages) {
      if (Number(message.offset) >= fetchOffset) found.push(message)
    }
    return found.length >= count
  }, `${count} records`)
  await cluster.disconnect()
  return found
}

function internals () {
  const Cluster = require('kafkajs/src/cluster')
  const { createLogger, LEVELS } = require('kafkajs/src/loggers')
  const log = require('kafkajs/src/loggers/console')
  const socketFactory = require('kafkajs/src/network/socketFactory')
  const createCluster = () => new Cluster({
    logger: createLogger({ level: LEVELS.NOTHING, logCreator: log }),
    socketFactory: socketFactory(),
    brokers: [bootstrap],
    clientId: 'scenario',
    connectionTimeout: 60000,
    requestTimeout: 60000,
    metadataMaxAge: 300000,
    retry: { retries: 5 },
    isolationLevel: 0,
    offsets: new Map()
  })
  return { createCluster }
}

async function roundTrip (name, codec, idempotent) {
  const topic = await create(name)
  await produce(topic, codec, idempotent)
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const found = await read(topic, partition, 0, RECORDS)
    found.forEach((message, i) => {
      const { key, value, headers, timestamp } = record(partition, i)
      assert.strictEqual(message.key.toString(), key)
      assert.strictEqual(message.value.toString(), value)
      assert.strictEqual(String(message.timestamp), timestamp)
      assert.strictEqual(message.headers.one.toString(), headers.one)
      assert.strictEqual(message.headers.two.toString(), headers.two)
    })
  }
}

async function seeks () {
  const topic = await create('seek')
  await produce(topic, CompressionTypes.None)
  assert.strictEqual((await read(topic, 1, 15, 5))[0].offset, '15')
  assert.strictEqual((await read(topic, 1, 3, 1))[0].offset, '3')
}

async function listsOffsets () {
  const topic = await create('offsets')
  await produce(topic, CompressionTypes.GZIP)
  const all = await admin.fetchTopicOffsets(topic)
  assert.deepStrictEqual(all.map(({ low, high }) => [low, high]), Array(3).fill(['0', '20']))
  const later = await admin.fetchTopicOffsetsByTimestamp(topic, TIMESTAMP + 3500)
  assert.deepStrictEqual(later.map(({ offset }) => offset), ['4', '4', '4'])
}

async function deletesRecords () {
  const topic = await create('delete')
  await produce(topic, CompressionTypes.None)
  await admin.fetchTopicOffsets(topic) // without it the admin does not know the leaders
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '7' }] })
  const all = await admin.fetchTopicOffsets(topic)
  assert.strictEqual(all.find(({ partition }) => partition === 0).low, '7')
}

async function altersConfigs () {
  const topic = await create('configs')
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '123456' }] }]
  })
  await waitFor(async () => {
    const answer = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
    const entry = answer.resources[0].configEntries.find(e => e.configName === 'retention.ms')
    return entry.configValue === '123456'
  }, 'retention.ms')
}

async function describesCluster () {
  const { brokers, clusterId } = await admin.describeCluster()
  assert.deepStrictEqual(brokers.map(({ host, port }) => `${host}:${port}`), [bootstrap])
  assert.ok(clusterId)
}

async function deletesTopics () {
  const topic = await create('gone')
  await admin.deleteTopics({ topics: [topic] })
  await waitFor(async () => !(await admin.listTopics()).includes(topic), 'deletion')
}

// Two members share the partitions, commit, and a third goes on where they stopped.
async function consumesInAGroup () {
  const topic = await create('group')
  const wanted = PARTITIONS * RECORDS
  const settings = { groupId: topic, rebalanceTimeout: 60000, heartbeatInterval: 300 }
  const start = async (found, owned) => {
    const member = kafka.consumer(settings)
    member.on(member.events.GROUP_JOIN, ({ payload }) => {
      owned.partitions = payload.memberAssignment[topic] ?? []
    })
    await member.connect()
    await member.subscribe({ topics: [topic], fromBeginning: true })
    await member.run({
      eachMessage: async ({ partition, message }) => { found.add(`${partition} ${message.offset}`) }
    })
    return member
  }
  const found = new Set()
  const owned = [{ partitions: [] }, { partitions: [] }]
  const members = [await start(found, owned[0]), await start(found, owned[1])]
  await waitFor(() => owned.every(({ partitions }) => partitions.length > 0) &&
    owned.flatMap(({ partitions }) => partitions).length === PARTITIONS, 'both to have partitions')
  await produce(topic, CompressionTypes.None)
  await waitFor(() => found.size === wanted, 'all records')
  for (const member of members) { // what was read is committed on the way out
    await member.stop()
    await member.disconnect()
  }
  await produce(topic, CompressionTypes.None)
  const later = new Set()
  const last = await start(later, { partitions: [] })
  await waitFor(() => later.size >= wanted, 'the new records')
  await last.disconnect()
  assert.deepStrictEqual([...later].filter(place => found.has(place)), [])
}

async function main () {
  let failed = 0
  const cases = {
    round_trip_none: () => roundTrip('none', CompressionTypes.None),
    round_trip_gzip: () => roundTrip('gzip', CompressionTypes.GZIP),
    round_trip_idempotent: () => roundTrip('idempotent', CompressionTypes.None, true),
    seeks,
    lists_offsets: listsOffsets,
    deletes_records: deletesRecords,
    alters_configs: altersConfigs,
    describes_cluster: describesCluster,
    deletes_topics: deletesTopics,
    consumes_in_a_group: consumesInAGroup
  }
  await admin.connect()
  for (const [name, work] of Object.entries(cases)) {
    try {
      await work()
      console.log(`PASS ${name}`)
    } catch (error) {
      failed++
      console.log(error.stack)
      console.log(`FAIL ${name}: ${String(error.message).split('\n')[0]}`)
    }
  }
  console.log('\ndone')
  process.exit(failed ? 1 : 0)
}

main()

// The published client for MQTT, in both versions, over TCP and WebSocket.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import mqtt from 'mqtt'
import { freePorts } from './lib/ports.mjs'
import { Program } from './lib/program.mjs'
import { soon, until } from './lib/wait.mjs'

const { version } = createRequire(import.meta.url)('mqtt/package.json')
const [port] = await freePorts(1)
const server = new Program('devices', ['--set', `devices-1.clientPort=${port}`], / ready$/)

before(() => server.ready)
after(() => server.kill())

const DOORS = [`mqtt://127.0.0.1:${port}`, `ws://127.0.0.1:${port}/mqtt`]
const VERSIONS = { 4: '3.1.1', 5: '5' }
const REPORT = 'devices/main/report'

/** A client that is connected, what it has heard, and, where it was ended, why. */
async function client(t, url, protocolVersion, options = {}) {
  const mine = mqtt.connect(url, { protocolVersion, reconnectPeriod: 0, ...options })
  mine.heard = []
  mine.on('message', (topic, payload, packet) => mine.heard.push({ topic, text: `${payload}`, packet }))
  mine.on('disconnect', (packet) => (mine.told = packet))
  t.after(() => mine.endAsync(true))
  await soon('CONNACK', once(mine, 'connect'))
  return mine
}

const next = (mine) => until('a message', () => mine.heard.shift())

for (const url of DOORS) {
  for (const [number, name] of Object.entries(VERSIONS)) {
    const protocolVersion = Number(number)
    const kind = `mqtt ${version}, MQTT ${name}, ${url.split(':')[0]}`
    console.log(`client: ${kind}`)

    test(`${kind}: devices report to who watches`, async (t) => {
      const watcher = await client(t, url, protocolVersion)
      const device = await client(t, url, protocolVersion, { clientId: '' })
      const room = `room-${protocolVersion}-${url.length}`
      const [granted] = await watcher.subscribeAsync(`rooms/${room}`, { qos: 1 })
      assert.equal(granted.qos, 1)
      for (const qos of [0, 1]) {
        const report = { room, degrees: 20.5 + qos }
        await device.publishAsync(REPORT, JSON.stringify(report), { qos })
        const { topic, text, packet } = await next(watcher)
        assert.equal(topic, `rooms/${room}`)
        assert.deepEqual(JSON.parse(text), report)
        assert.equal(packet.qos, 1)
      }
      await watcher.unsubscribeAsync(`rooms/${room}`)
      await device.publishAsync(REPORT, JSON.stringify({ room, degrees: 0 }), { qos: 1 })
      assert.deepEqual(watcher.heard, [])
    })

    test(`${kind}: a subscription is refused`, async (t) => {
      const curious = await client(t, url, protocolVersion)
      const refused = await curious.subscribeAsync('rooms/secret').then((granted) => granted, (error) => error)
      assert.ok(refused instanceof Error || refused[0].qos >= 128, `${refused}`)
    })

    test(`${kind}: a request in the topic is answered`, async (t) => {
      const asking = await client(t, url, protocolVersion)
      const said = { a: [1, 'é🍊'] }
      await asking.publishAsync('$request/7/devices/main/echo', JSON.stringify(said))
      const { topic, text } = await next(asking)
      assert.equal(topic, '$response/7')
      assert.deepEqual(JSON.parse(text), said)
    })

    test(`${kind}: many at once are all acknowledged, each once`, async (t) => {
      const busy = await client(t, url, protocolVersion)
      const all = Array.from({ length: 500 }, (_, i) => {
        return busy.publishAsync(`$request/${i}/devices/main/echo`, `${i}`, { qos: 1 })
      })
      await soon('all acknowledged', Promise.all(all), 20_000)
      await until('all answers', () => busy.heard.length === 500)
      const answers = busy.heard.map(({ topic, text }) => [topic, text]).sort()
      assert.deepEqual(answers, all.map((_, i) => [`$response/${i}`, `${i}`]).sort())
    })

    test(`${kind}: pings are answered`, async (t) => {
      const idle = await client(t, url, protocolVersion, { keepalive: 1 })
      const pongs = []
      idle.on('packetreceive', ({ cmd }) => cmd === 'pingresp' && pongs.push(cmd))
      await until('two pongs', () => pongs.length >= 2)
      assert.ok(idle.connected)
    })
  }

  test(`mqtt ${version}, MQTT 5, ${url.split(':')[0]}: a request is answered under its response topic`, async (t) => {
    const asking = await client(t, url, 5)
    const properties = { responseTopic: 'my/answers', correlationData: Buffer.from('seven') }
    await asking.publishAsync('devices/main/echo', '"hello"', { qos: 1, properties })
    const { topic, text, packet } = await next(asking)
    assert.deepEqual([topic, text], ['my/answers', '"hello"'])
    assert.equal(`${packet.properties.correlationData}`, 'seven')
    const failed = await asking.publishAsync('devices/main/nobody', '{}', { qos: 1 }).then(() => null, (error) => error)
    assert.equal(failed?.code, 0x90)
  })
}

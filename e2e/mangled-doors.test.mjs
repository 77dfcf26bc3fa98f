// The clients of the other doors, socket.io's and MQTT's, through the proxy that mangles and cuts.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import mqtt from 'mqtt'
import { mangler, ways } from './lib/mangler.mjs'
import { freePorts } from './lib/ports.mjs'
import { Program, ROOT } from './lib/program.mjs'
import { soon, until } from './lib/wait.mjs'

const require = createRequire(import.meta.url)
const [lobbyPort, devicesPort] = await freePorts(2)
const lobbyConfig = `${ROOT}examples/socketio/tangelo.toml`
const programs = [
  new Program('socketio', ['--config', lobbyConfig, '--set', `lobby-1.clientPort=${lobbyPort}`], /ready/),
  new Program('devices', ['--set', `devices-1.clientPort=${devicesPort}`], / ready$/),
]
before(() => Promise.all(programs.map(({ ready }) => ready)))
after(() => Promise.all(programs.map((program) => program.kill())))

const versionOf = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version

// Somebody in a room: `say(line)` resolves when the server has it, `heard` is what everybody in the room has said as
// `[name, line]`, `ended` resolves when the client says that the connection is gone. Coming in rejects on that.

const within = (what, ended, promise) =>
  soon(what, Promise.race([promise, ended.then(() => Promise.reject(new Error('the connection is gone')))]))

/** One lobby for all: who speaks says in which room. */
async function intoLobby(io, transports, t, port, name, room) {
  const socket = io(`http://127.0.0.1:${port}`, { transports, forceNew: true, reconnection: false })
  t.after(() => socket.close())
  const ended = new Promise((resolve) => ['disconnect', 'connect_error'].forEach((event) => socket.on(event, resolve)))
  const heard = []
  socket.on('onSay', (text) => {
    const [where, ...said] = JSON.parse(text)
    if (where === room) heard.push(said)
  })
  const ask = (route, body) => within(`${name}: ${route}`, ended, new Promise((resolve) => socket.emit(route, body, resolve)))
  await within(`${name} connects`, ended, new Promise((resolve) => socket.on('connect', resolve)))
  await ask('lobby.main.enter', `${name} of ${room}`)
  return { heard, ended, say: (line) => ask('lobby.main.say', JSON.stringify([room, name, line])) }
}

/** Reports carry numbers: whose it is, and the line's. What more is in them only makes them longer. */
async function amongDevices(protocolVersion, url, t, port, name, room) {
  const client = mqtt.connect(url(port), { protocolVersion, reconnectPeriod: 0 })
  t.after(() => client.end(true))
  client.on('error', () => {})
  const ended = new Promise((resolve) => client.on('close', resolve))
  const heard = []
  const answers = new Map()
  const lines = []
  client.on('message', (topic, payload) => {
    const said = JSON.parse(payload)
    if (topic.startsWith('$response')) return answers.get(topic)?.(said)
    heard.push(said.degrees)
  })
  await within(`${name} connects`, ended, new Promise((resolve) => client.on('connect', resolve)))
  await within(`${name} subscribes`, ended, client.subscribeAsync(`rooms/${room}`, { qos: 1 }))
  const me = Number(name)
  return {
    ended,
    get heard() {
      return heard.map((number) => [`${Math.floor(number / 10_000)}`, number % 10_000])
    },
    /** Answers how many are in the room. */
    say(line) {
      const number = lines.push(line) - 1
      const answer = new Promise((resolve) => answers.set(`$response/${number}`, resolve))
      const report = { room, degrees: me * 10_000 + number, padding: line }
      client.publish(`$request/${number}/devices/main/report`, JSON.stringify(report), { qos: 1 }, () => {})
      return within(`${name}: report`, ended, answer)
    },
  }
}

const SOCKET_IO = { 'socket.io-client': ['websocket', 'polling'], 'socket.io-client-2': ['websocket', 'polling'], 'socket.io-client-1': ['websocket'] }
const MQTT_ROADS = { tcp: (port) => `mqtt://127.0.0.1:${port}`, ws: (port) => `ws://127.0.0.1:${port}/mqtt` }

/** `cuts`: whether a cut is the end. Between two requests of one who polls it is none. */
const CLIENTS = [
  ...Object.entries(SOCKET_IO).flatMap(([name, roads]) =>
    roads.map((road) => ({
      title: `socket.io-client ${versionOf(name)}, ${road}`,
      port: lobbyPort,
      come: (...where) => intoLobby(require(name), [road], ...where),
      cuts: road === 'websocket',
    })),
  ),
  ...[4, 5].flatMap((version) =>
    Object.entries(MQTT_ROADS).map(([road, url]) => ({
      title: `mqtt ${versionOf('mqtt')}, MQTT ${version === 4 ? '3.1.1' : '5'}, ${road}`,
      port: devicesPort,
      come: (...where) => amongDevices(version, url, ...where),
      cuts: true,
      areNumbers: true,
      isCounted: true,
    })),
  ),
]
for (const { title } of CLIENTS) console.log(`client: ${title}`)

const MANGLINGS = {
  'split into pieces of 1 to 7 bytes': ways.split,
  'split into single bytes': ways.byteByByte,
  'joined across messages': ways.joined,
  late: ways.late,
  'cut anew, late and joined': ways.mangled,
}
const LINES = ['a', '你好 😀', 'b'.repeat(130), '', 'c'.repeat(300), 'end']

/** What somebody has heard of somebody. */
const from = (name, { heard }) => heard.filter(([who]) => who === name).map(([, line]) => line)

for (const { title, port, come, areNumbers } of CLIENTS) {
  const expected = areNumbers ? LINES.map((_, i) => i) : LINES
  describe(`${title}: talks as if nothing were between`, { concurrency: 5 }, () => {
    for (const [way, up] of Object.entries(MANGLINGS)) {
      test(way, async (t) => {
        const room = `${title} ${way}`.replaceAll(/[^a-z0-9]+/gi, '-')
        const proxy = await mangler(t, port, { seed: room, up })
        const all = { 1: await come(t, port, '1', room), 2: await come(t, proxy.port, '2', room) }
        await Promise.all(Object.values(all).flatMap(({ say }) => LINES.map(say)))
        const done = () => Object.values(all).every(({ heard }) => heard.length >= 2 * LINES.length)
        await until('all is heard', done)
        for (const name of ['1', '2']) for (const to of Object.values(all)) assert.deepEqual(from(name, to), expected)
      })
    }
  })
}

const CUTS = ['up', 'down'].flatMap((direction) => ['fin', 'rst'].map((how) => ({ direction, how })))

for (const { title, port, come, areNumbers, isCounted } of CLIENTS.filter(({ cuts }) => cuts)) {
  describe(`${title}: is cut and finds the end, and nobody else notices`, { concurrency: 2 }, () => {
    for (const [when, at, isIn] of [
      ['at any byte of its way in', (roll) => 1 + roll(150), false],
      ['in the middle of its talk', (roll) => 1 + roll(900), true],
    ]) {
      test(when, async (t) => {
        const room = `${title} ${when}`.replaceAll(/[^a-z0-9]+/gi, '-')
        const steady = await come(t, port, '1', room)
        const said = []
        let goesOn = true
        const talk = (async () => {
          while (goesOn) {
            said.push(areNumbers ? said.length : `line ${said.length}`)
            await steady.say(`${said.at(-1)}`)
            await sleep(10)
          }
        })()
        talk.catch(() => {})

        await Promise.all([...CUTS, ...CUTS].map(async ({ direction, how }, i) => {
          const cut = (roll) => ({ direction, how, after: at(roll) })
          const name = `${i + 2}`
          const proxy = await mangler(t, port, { seed: `${room} ${name}`, up: ways.split, cut: isIn ? undefined : cut })
          let somebody
          const talking = async () => {
            somebody = await come(t, proxy.port, name, room)
            if (isIn) proxy.cut(cut)
            for (;;) await somebody.say('c'.repeat(100))
          }
          await assert.rejects(talking(), ({ message }) => !message.includes('not within'), `${name} finds the end`)
          if (somebody) await soon(`${name} is told of the end`, somebody.ended)
          assert.deepEqual(proxy.cuts, [{ direction, how }])
        }))

        goesOn = false
        await talk
        await until('all is heard', () => from('1', steady).length >= said.length)
        assert.deepEqual(from('1', steady), said)
        if (isCounted) await until('the room has one again', async () => (await steady.say('who is here?')) === 1)
      })
    }
  })
}

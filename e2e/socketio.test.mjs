// Published clients of socket.io in one lobby: each version as its users use it, over WebSocket, by polling, and from
// one to the other; and beside them what Pomelo's applications write into socket.io.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { freePorts } from './lib/ports.mjs'
import { Program, ROOT } from './lib/program.mjs'
import { soon, until } from './lib/wait.mjs'

const require = createRequire(import.meta.url)
const VERSIONS = ['socket.io-client', 'socket.io-client-2', 'socket.io-client-1'].map((name) => {
  const { version } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url)))
  console.log(`client: socket.io-client ${version}`)
  return { version, io: require(name) }
})
const ROADS = { websocket: ['websocket'], polling: ['polling'], upgrade: ['polling', 'websocket'] }

const [port] = await freePorts(1)
const config = `${ROOT}examples/socketio/tangelo.toml`
const lobby = new Program('socketio', ['--config', config, '--set', `lobby-1.clientPort=${port}`], /ready/)
before(() => lobby.ready)
after(() => lobby.kill())

async function open(t, { io }, transports, options = {}) {
  const socket = io(`http://127.0.0.1:${port}`, { transports, forceNew: true, ...options })
  t.after(() => socket.close())
  const failed = new Promise((_, reject) => {
    for (const event of ['connect_error', 'error']) socket.on(event, (error) => reject(new Error(`${event}: ${error}`)))
  })
  await soon('connects', Promise.race([failed, new Promise((resolve) => socket.on('connect', resolve))]))
  socket.said = []
  socket.on('onSay', (text) => socket.said.push(text))
  return socket
}

const ask = (socket, route, ...body) =>
  soon(route, new Promise((resolve) => socket.emit(route, ...body, resolve)))

const engineOf = (socket) => socket.io.engine
const roadOf = (socket) => engineOf(socket).transport.name

for (const [road, transports] of Object.entries(ROADS)) {
  test(`all versions meet in one lobby: ${road}`, async (t) => {
    const sockets = []
    for (const kind of VERSIONS) {
      const socket = await open(t, kind, transports)
      assert.deepEqual(await ask(socket, 'lobby.main.enter', `${kind.version} ${road}`), {})
      sockets.push(socket)
    }
    if (road === 'upgrade') {
      for (const socket of sockets) await until('it upgrades', () => roadOf(socket) === 'websocket')
    }
    const texts = []
    for (const [i, socket] of sockets.entries()) {
      const text = `大家好 from ${VERSIONS[i].version} 👋🏽 é`
      texts.push(text)
      assert.equal(await ask(socket, 'lobby.main.say', text), [...text].length)
      for (const listener of sockets) await until('it is heard', () => listener.said.includes(text))
    }
    // A notify: nobody answers, everybody hears.
    sockets[0].emit('lobby.main.say', 'bye')
    for (const socket of sockets) {
      await until('it is heard', () => socket.said.includes('bye'))
      assert.deepEqual(socket.said, [...texts, 'bye'])
    }
  })
}

for (const kind of VERSIONS) {
  for (const [road, transports] of Object.entries(ROADS)) {
    test(`socket.io-client ${kind.version}, ${road}: bytes, many at once, failures and the end`, async (t) => {
      const socket = await open(t, kind, transports)
      const bytes = await ask(socket, 'lobby.main.raw', Buffer.from([0xff, 0, 7]))
      assert.deepEqual([...new Uint8Array(bytes)], [0xff, 0, 7])

      const numbers = Array.from({ length: 50 }, (_, n) => n)
      assert.deepEqual(await Promise.all(numbers.map((n) => ask(socket, 'lobby.main.raw', n))), numbers)
      const long = 'é😀'.repeat(4_000)
      assert.equal(await ask(socket, 'lobby.main.raw', long), long)

      assert.equal((await ask(socket, 'lobby.main.nothing', {})).code, 404)
      assert.equal((await ask(socket, 'lobby.main.say', { no: 'text' })).code, 400)

      const kicked = new Promise((resolve) => socket.on('onKick', resolve))
      const gone = new Promise((resolve) => socket.on('disconnect', (reason) => resolve([reason])))
      socket.emit('lobby.main.leave')
      assert.deepEqual(await soon('why it has to go', kicked), { reason: 'as you asked' })
      const [reason] = await soon('it goes', gone)
      assert.equal(reason, 'io server disconnect')
    })
  }

  test(`socket.io-client ${kind.version}: what Pomelo's applications write into it`, async (t) => {
    const socket = await open(t, kind, ['polling', 'websocket'])
    const heard = []
    // What waits together comes as a list.
    socket.on('message', (text) => heard.push(...[JSON.parse(text)].flat()))
    // As pomelo-protocol had it for socket.io: id in four characters, length of the route in one, route, JSON.
    const write = (id, route, body) => {
      const head = [id >>> 24, id >>> 16, id >>> 8, id].map((byte) => String.fromCharCode(byte & 0xff)).join('')
      socket.send(`${head}${String.fromCharCode(route.length)}${route}${JSON.stringify(body)}`)
    }
    write(2, 'lobby.main.enter', `pomelo ${kind.version}`)
    await until('the answer', () => heard.length === 1)
    assert.deepEqual(heard.shift(), { id: 2, body: {} })
    const text = '小明 😀'
    write(0, 'lobby.main.say', text)
    await until('the push', () => heard.length === 1)
    assert.deepEqual(heard.shift(), { route: 'onSay', body: text })
    const gone = new Promise((resolve) => socket.on('disconnect', (reason) => resolve([reason])))
    write(0, 'lobby.main.leave', {})
    await soon('it goes', gone)
    assert.deepEqual(heard, [{ route: 'onKick', reason: 'as you asked' }])
  })
}

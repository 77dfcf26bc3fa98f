import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { mock, test } from 'node:test'
import WebSocket from 'ws'
import { connect, RequestError } from '../tangelo.js'
import { ACK, HEARTBEAT, KICK, pkg, push, response, serve } from './server.mjs'

const echo = { onmessage: ({ id, body }, peer) => id && peer.send(response(id, body)) }

async function connected(t, server, options) {
  const client = await connect(server.url, { WebSocket, ...options })
  t.after(() => client.close())
  return client
}

/** The next time `event` happens to `client`. */
const next = (client, event) => new Promise((resolve) => client.when(event, resolve))

test('shakes hands, then acknowledges', async (t) => {
  const server = await serve(t, { handshake: { code: 200, sys: {}, user: { hello: 'you' } } })
  const client = await connected(t, server, { user: { token: 't' } })
  assert.deepEqual(client.user, { hello: 'you' })
  assert.equal(client.connected, true)
  assert.deepEqual(server.handshakes[0].user, { token: 't' })
  assert.equal(server.handshakes[0].sys.type, 'tangelo-js')
})

test('requests get their own answers, in whatever order they come', async (t) => {
  const held = []
  const server = await serve(t, {
    onmessage({ id, body }, peer) {
      held.push(response(id, body))
      if (held.length === 3) peer.send(...held.reverse())
    },
  })
  const client = await connected(t, server)
  const replies = await Promise.all(['a', '😀', '你好'].map((text) => client.request('r', { text })))
  assert.deepEqual(replies, [{ text: 'a' }, { text: '😀' }, { text: '你好' }])
})

test('an answer with a code is an answer', async (t) => {
  const server = await serve(t, echo)
  const client = await connected(t, server)
  assert.deepEqual(await client.request('r', { code: 503, msg: 'gone' }), { code: 503, msg: 'gone' })
})

test('notify needs no answer', async (t) => {
  const notifies = []
  const server = await serve(t, {
    onmessage: (message, peer) => (message.id ? peer.send(response(message.id, {})) : notifies.push(message)),
  })
  const client = await connected(t, server)
  assert.equal(client.notify('a.b.c', { x: 1 }), true)
  await client.request('r')
  assert.deepEqual(notifies, [{ id: undefined, route: 'a.b.c', body: { x: 1 } }])
})

test('pushes reach their listeners until they unsubscribe', async (t) => {
  const server = await serve(t, echo)
  const client = await connected(t, server)
  const seen = []
  const off = client.on('onChat', ({ n }) => seen.push(`first ${n}`))
  client.on('onChat', ({ n }) => seen.push(`second ${n}`))
  server.peers[0].send(push('onChat', { n: 1 }), push('nobody listens', {}))
  await client.request('r')
  off()
  server.peers[0].send(push('onChat', { n: 2 }))
  await client.request('r')
  assert.deepEqual(seen, ['first 1', 'second 1', 'second 2'])
})

test('a push behind a reply does not overtake the one who awaits the reply', async (t) => {
  const server = await serve(t, {
    onmessage: ({ id }, peer) => peer.send(push('p', 1), response(id, 2), push('p', 3), push('p', 4)),
  })
  const client = await connected(t, server)
  const seen = []
  const last = new Promise((resolve) => client.on('p', (n) => (seen.push(n), n === 4 && resolve())))
  const wrapped = async () => await client.request('r')
  seen.push(await wrapped())
  await last
  assert.deepEqual(seen, [1, 2, 3, 4])
})

test('a listener that throws is reported and harms nobody else', async (t) => {
  const report = mock.method(console, 'error', () => {})
  t.after(() => report.mock.restore())
  const server = await serve(t, echo)
  const client = await connected(t, server)
  let called = 0
  client.on('p', () => { throw new Error('mine') })
  client.on('p', () => called++)
  server.peers[0].send(push('p', {}))
  await client.request('r')
  assert.equal(called, 1)
  assert.equal(report.mock.calls[0].arguments[1].message, 'mine')
})

test('a request without an answer ends at its deadline', async (t) => {
  const client = await connected(t, await serve(t), { timeout: 30 })
  await assert.rejects(client.request('slow'), { name: 'RequestError', code: 'timeout', route: 'slow' })
  await assert.rejects(client.request('slow', {}, { timeout: 10 }), RequestError)
})

test('what is too long is refused and the connection stays', async (t) => {
  const client = await connected(t, await serve(t, echo))
  await assert.rejects(client.request('r'.repeat(256)), RangeError)
  await assert.rejects(client.request('r', 'x'.repeat(2 ** 24)), RangeError)
  assert.throws(() => client.notify('r'.repeat(256)), RangeError)
  assert.equal(await client.request('r', 'still here'), 'still here')
})

test('a refused handshake tells the code and the words', async (t) => {
  const server = await serve(t, { handshake: { code: 501 } })
  await assert.rejects(connect(server.url, { WebSocket }), { name: 'ConnectionError', code: 'refused', status: 501 })
  const answer = { code: 401, msg: 'log in again', user: { until: 'noon' } }
  const words = 'the server refused the handshake with code 401: log in again'
  const other = await serve(t, { handshake: answer })
  await assert.rejects(connect(other.url, { WebSocket }), { message: words, status: 401, answer })
})

test('a handshake that is no JSON is an error of the protocol', async (t) => {
  const server = await serve(t, { handshake: 'nonsense' })
  await assert.rejects(connect(server.url, { WebSocket }), { code: 'protocol' })
})

test('a server that does not answer the handshake is given up', async (t) => {
  const server = await serve(t, { handshake: null })
  await assert.rejects(connect(server.url, { WebSocket, connectTimeout: 30 }), { code: 'timeout' })
})

test('nobody listening is unreachable', async () => {
  const socket = createServer().listen(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await assert.rejects(connect(`ws://127.0.0.1:${port}`, { WebSocket }), { code: 'unreachable' })
})

test('without a WebSocket and outside of a container it says what to do', { skip: 'WebSocket' in globalThis }, async () => {
  await assert.rejects(connect('ws://127.0.0.1:1'), /pass one as an option/)
})

test('heartbeats keep the time the server asks for', async (t) => {
  const server = await serve(t, { ...echo, handshake: { code: 200, sys: { heartbeat: 0.05 } } })
  const client = await connected(t, server)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal(client.connected, true)
  const heartbeats = server.peers[0].received.filter((type) => type === HEARTBEAT).length
  assert.ok(heartbeats >= 2 && heartbeats <= 6, `${heartbeats} heartbeats in six intervals`)
  assert.equal(server.peers[0].received[1], ACK)
})

test('without heartbeats in the handshake none is sent', async (t) => {
  const server = await serve(t, echo)
  const client = await connected(t, server)
  server.peers[0].send(pkg(HEARTBEAT))
  await client.request('r')
  assert.ok(!server.peers[0].received.includes(HEARTBEAT))
})

test('a silent server is given up after two intervals', async (t) => {
  const server = await serve(t, { handshake: { code: 200, sys: { heartbeat: 0.05 } }, answerHeartbeats: false })
  const client = await connected(t, server)
  const error = next(client, 'error')
  const closed = next(client, 'close')
  assert.equal((await error).code, 'silent')
  assert.deepEqual(await closed, { reason: 'lost' })
})

test('a device that was asleep listens before it gives the server up', async (t) => {
  const server = await serve(t, { handshake: { code: 200, sys: { heartbeat: 0.2 } } })
  const client = await connected(t, server)
  const errors = []
  client.when('error', ({ code }) => errors.push(code))
  const until = performance.now() + 1000
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 600))
  assert.deepEqual(errors, [])
  assert.equal(client.connected, true)
})

test('data alone keeps a server alive', async (t) => {
  const server = await serve(t, { handshake: { code: 200, sys: { heartbeat: 0.1 } }, answerHeartbeats: false })
  const client = await connected(t, server)
  const chatter = setInterval(() => server.peers[0].send(push('p', {})), 20)
  t.after(() => clearInterval(chatter))
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.equal(client.connected, true)
})

test('a kick tells its reason and nobody comes back', async (t) => {
  const server = await serve(t)
  const client = await connected(t, server, { reconnect: { initialDelay: 1 } })
  const kicked = next(client, 'kick')
  const closed = next(client, 'close')
  const waiting = client.request('r')
  server.peers[0].send(pkg(KICK, '{"reason":"elsewhere"}'))
  await assert.rejects(waiting, { code: 'lost' })
  assert.deepEqual(await kicked, { reason: 'elsewhere' })
  assert.deepEqual(await closed, { reason: 'kicked' })
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(server.peers.length, 1)
})

test('a kick without a body', async (t) => {
  const server = await serve(t)
  const client = await connected(t, server)
  const kicked = next(client, 'kick')
  server.peers[0].send(pkg(KICK))
  assert.deepEqual(await kicked, { reason: undefined })
})

for (const [name, bad] of [
  ['an unknown package', pkg(9)],
  ['a second handshake', pkg(1, '{"code":200}')],
  ['a cut package', Buffer.from([4, 0, 0, 9, 6])],
  ['a message that is none', pkg(4, Buffer.from([0x0a]))],
  ['a body that is no JSON', pkg(4, Buffer.from([0x06, 1, 0x70, 0x7b]))],
  ['a text frame', 'hello'],
]) {
  test(`${name} ends the connection with an error`, async (t) => {
    const server = await serve(t)
    const client = await connected(t, server)
    const error = next(client, 'error')
    const closed = next(client, 'close')
    server.peers[0].socket.send(bad)
    assert.equal((await error).code, 'protocol')
    assert.deepEqual(await closed, { reason: 'lost' })
  })
}

test('what came before bad bytes is still handed out', async (t) => {
  const server = await serve(t, { onmessage: ({ id }, peer) => peer.send(response(id, 'ok'), push('p', 1), pkg(9)) })
  const client = await connected(t, server)
  const pushed = new Promise((resolve) => client.on('p', resolve))
  assert.equal(await client.request('r'), 'ok')
  assert.equal(await pushed, 1)
})

test('a lost connection ends what waits on it, and comes back as a new session', async (t) => {
  const server = await serve(t, { onmessage: ({ id, route, body }, peer) => route === 'echo' && peer.send(response(id, body)) })
  const client = await connected(t, server, { reconnect: { initialDelay: 5 } })
  const waiting = client.request('never')
  const reconnecting = next(client, 'reconnecting')
  const reconnect = next(client, 'reconnect')
  server.peers[0].socket.terminate()
  await assert.rejects(waiting, { code: 'lost' })
  assert.equal((await reconnecting).attempt, 1)
  await assert.rejects(client.request('echo'), { code: 'offline' })
  assert.equal(client.notify('echo'), false)
  assert.deepEqual(await reconnect, { attempt: 1 })
  assert.equal(await client.request('echo', 'again'), 'again')
  assert.equal(server.handshakes.length, 2)
})

/** A WebSocket that reaches the server only where `reaches` says so of its turn. */
const fickle = (reaches) => {
  let turn = 0
  return class extends WebSocket {
    constructor(url) {
      super(reaches(turn++) ? url : 'ws://127.0.0.1:1')
    }
  }
}

/** Chance that is known beforehand. */
function seeded(t, seed) {
  const drawn = []
  const { mock } = t
  mock.method(Math, 'random', () => {
    seed = (seed * 48271) % 2147483647
    drawn.push(seed / 2147483647)
    return drawn.at(-1)
  })
  return drawn
}

test('attempts to come back lie anywhere in a window that doubles up to the longest delay', async (t) => {
  const server = await serve(t)
  const client = await connected(t, server, {
    WebSocket: fickle((turn) => turn === 0),
    reconnect: { initialDelay: 4, maxDelay: 20, attempts: 6 },
  })
  const drawn = seeded(t, 20)
  const attempts = []
  client.when('reconnecting', (detail) => attempts.push(detail))
  const closed = next(client, 'close')
  server.peers[0].socket.terminate()
  assert.deepEqual(await closed, { reason: 'lost' })
  const delays = drawn.filter((_, i) => i < 6).map((random, i) => random * [4, 8, 16, 20, 20, 20][i])
  assert.deepEqual(attempts, delays.map((delay, i) => ({ attempt: i + 1, delay })))
  assert.ok(drawn.some((random) => random < 0.5) && drawn.some((random) => random > 0.5), 'both halves of it')
})

test('the window is the first again after coming back', async (t) => {
  const server = await serve(t)
  // Lost, two failures, back; lost, one failure, back.
  const client = await connected(t, server, {
    WebSocket: fickle((turn) => [0, 3, 5].includes(turn)),
    reconnect: { initialDelay: 4, maxDelay: 1000 },
  })
  const drawn = seeded(t, 5)
  const delays = []
  client.when('reconnecting', ({ delay }) => delays.push(delay))
  for (const i of [0, 1]) {
    const back = next(client, 'reconnect')
    server.peers[i].socket.terminate()
    await back
  }
  const windows = [4, 8, 16, 4, 8]
  assert.deepEqual(delays, windows.map((most, i) => drawn[i] * most))
})

test('two clients of one server do not come back at the same time', async (t) => {
  const server = await serve(t)
  const delays = []
  for (let i = 0; i < 8; i++) {
    const client = await connected(t, server, { reconnect: true })
    client.when('reconnecting', ({ delay }) => delays.push(delay))
  }
  for (const { socket } of server.peers) socket.terminate()
  for (let i = 0; delays.length < 8 && i < 1000; i++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(new Set(delays).size, 8)
})

test('a WebSocket that cannot be made rejects, and nothing is left of it', async () => {
  class Broken {
    constructor() {
      throw new SyntaxError('no such address')
    }
  }
  await assert.rejects(connect('nowhere', { WebSocket: Broken, connectTimeout: 1 }), SyntaxError)
  await new Promise((resolve) => setTimeout(resolve, 20))
})

test('who is refused on coming back stays away', async (t) => {
  const handshake = { code: 200, sys: {} }
  const server = await serve(t, { handshake })
  const client = await connected(t, server, { reconnect: { initialDelay: 1 } })
  const closed = next(client, 'close')
  handshake.code = 500
  server.peers[0].socket.terminate()
  assert.deepEqual(await closed, { reason: 'refused' })
})

test('close ends everything, once', async (t) => {
  const server = await serve(t)
  const client = await connected(t, server, { reconnect: true })
  const closes = []
  client.when('close', (detail) => closes.push(detail))
  const waiting = client.request('r')
  client.close()
  client.close()
  await assert.rejects(waiting, { code: 'closed' })
  await assert.rejects(client.request('r'), { code: 'closed' })
  assert.deepEqual(closes, [{ reason: 'closed' }])
  assert.equal(client.connected, false)
})

test('close stops an attempt to come back', async (t) => {
  const server = await serve(t)
  const client = await connected(t, server, { reconnect: { initialDelay: 1 } })
  const again = new Promise((resolve) => client.when('reconnecting', resolve))
  server.peers[0].socket.terminate()
  await again
  client.close()
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(server.peers.length, 1)
})

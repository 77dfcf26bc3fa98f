// A client whose session outlives its connections.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import WebSocket from 'ws'
import { connect } from '../tangelo.js'
import { HEARTBEAT, pkg, push, response, serve } from './server.mjs'

const window = 1000
const fresh = (token, more) => ({ code: 200, sys: { resume: { token, window, time: 60, ...more } } })

/** Answers the handshakes in this order. */
const answers = (...list) => () => list.shift()

async function connected(t, server, options) {
  const client = await connect(server.url, { WebSocket, reconnect: { initialDelay: 1 }, ...options })
  t.after(() => client.close())
  return client
}

const next = (client, event) => new Promise((resolve) => client.when(event, resolve))

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

test('asks for a session it can come back to if it comes back at all', async (t) => {
  const server = await serve(t)
  await connected(t, server)
  await connected(t, server, { reconnect: false })
  await connected(t, server, { resume: false })
  assert.deepEqual(server.handshakes.map(({ sys }) => sys.resume), [true, undefined, undefined])
})

test('goes on where it was, and what it waits for is answered', async (t) => {
  const heard = []
  const server = await serve(t, {
    handshake: answers(fresh('one'), fresh('two', { received: 2 })),
    onmessage: (message, peer) => {
      heard.push(message.body)
      if (message.body === 'a') peer.send(push('p', 1), push('p', 2))
      // The second connection: what was taken before is answered over it.
      if (message.body === 'c') peer.send(push('p', 3), response(1, 'A'), response(2, 'B'), response(3, 'C'))
    },
  })
  const client = await connected(t, server)
  const seen = []
  client.on('p', (n) => seen.push(n))
  const replies = [client.request('r', 'a'), client.request('r', 'b')]
  await until(() => seen.length === 2 && heard.length === 2)
  const resumed = next(client, 'resumed')
  server.peers[0].socket.terminate()
  await next(client, 'reconnecting')
  // What is said meanwhile is sent then.
  replies.push(client.request('r', 'c'))
  assert.equal(client.notify('n', 'd'), true)
  assert.deepEqual(await resumed, { attempt: 1 })
  assert.deepEqual(await Promise.all(replies), ['A', 'B', 'C'])
  assert.deepEqual(seen, [1, 2, 3])
  await until(() => heard.length === 4)
  assert.deepEqual(heard, ['a', 'b', 'c', 'd'])
  assert.deepEqual(server.handshakes[1].sys.resume, { token: 'one', received: 2 })
})

test('sends again what the server has not taken, in order', async (t) => {
  const heard = []
  const server = await serve(t, {
    handshake: answers(fresh('one'), fresh('two', { received: 1 })),
    onmessage: ({ id, body }, peer) => {
      heard.push(body)
      if (server.peers.length === 2 && id) peer.send(response(id, body))
    },
  })
  const client = await connected(t, server)
  client.notify('n', 'a')
  client.notify('n', 'b')
  const reply = client.request('r', 'c')
  await until(() => heard.length === 3)
  server.peers[0].socket.terminate()
  assert.equal(await reply, 'c')
  assert.deepEqual(heard, ['a', 'b', 'c', 'b', 'c'])
})

test('is told of a gap, and what was answered in it is lost', async (t) => {
  const server = await serve(t, {
    handshake: answers(fresh('one'), fresh('two', { received: 2, gap: 5, pending: [2] }), fresh('three', { received: 3 })),
    onmessage: ({ id, body }, peer) => body === 'c' && peer.send(response(2, 'B'), response(id, 'C')),
  })
  const client = await connected(t, server)
  const [a, b] = [client.request('r', 'a'), client.request('r', 'b')]
  const gap = next(client, 'gap')
  await until(() => server.peers[0].received.length === 4)
  server.peers[0].socket.terminate()
  await assert.rejects(a, { code: 'lost' })
  assert.deepEqual(await gap, { lost: 5 })
  assert.equal(await client.request('r', 'c'), 'C')
  assert.equal(await b, 'B')
  server.peers[1].socket.terminate()
  await next(client, 'resumed')
  assert.deepEqual(server.handshakes[2].sys.resume, { token: 'two', received: 7 })
})

test('a session that is lost is a new one, and what waited for the old one ends', async (t) => {
  const server = await serve(t, {
    handshake: answers(fresh('one'), fresh('two', { lost: 'unknown' })),
    onmessage: ({ id, body }, peer) => server.peers.length === 2 && peer.send(response(id, body)),
  })
  const client = await connected(t, server)
  const sent = client.request('r')
  await until(() => server.peers[0].received.length === 3)
  const reconnect = next(client, 'reconnect')
  const reconnecting = next(client, 'reconnecting')
  server.peers[0].socket.terminate()
  await reconnecting
  const unsent = client.request('r')
  await Promise.all([
    assert.rejects(sent, { code: 'lost' }),
    assert.rejects(unsent, { code: 'offline' }),
  ])
  assert.deepEqual(await reconnect, { attempt: 1, lost: 'unknown' })
  assert.equal(await client.request('r', 'new'), 'new')
})

test('a server that cannot resume is served as before', async (t) => {
  const server = await serve(t)
  const client = await connected(t, server)
  const waiting = client.request('r')
  server.peers[0].socket.terminate()
  await assert.rejects(waiting, { code: 'lost' })
  await assert.rejects(client.request('r'), { code: 'offline' })
  await next(client, 'reconnect')
})

test('tells early how much it has heard where the server keeps little', async (t) => {
  const server = await serve(t, { handshake: answers(fresh('one')) })
  await connected(t, server)
  for (let i = 0; i < 3; i++) server.peers[0].send(push('p', 'x'.repeat(100)))
  await until(() => server.peers[0].heartbeats.length === 1)
  assert.deepEqual(server.peers[0].heartbeats, ['3'])
})

test('keeps so much and not more until the server has it', async (t) => {
  const server = await serve(t, { handshake: answers(fresh('one')), answerHeartbeats: false })
  const client = await connected(t, server, { maxBuffered: 1000 })
  const long = 'x'.repeat(400)
  assert.equal(client.notify('n', long), true)
  assert.equal(client.notify('n', long), true)
  assert.equal(client.notify('n', long), false)
  await assert.rejects(client.request('r', long), { code: 'full' })
  // It has asked how far the server is; the answer makes room.
  await until(() => server.peers[0].heartbeats.length === 2)
  server.peers[0].send(pkg(HEARTBEAT, '2'))
  await until(() => client.notify('n', long))
})

test('says that it leaves for good', async (t) => {
  const server = await serve(t, { handshake: answers(fresh('one')) })
  const client = await connected(t, server)
  client.close()
  await until(() => server.peers[0].heartbeats.length === 1)
  assert.deepEqual(server.peers[0].heartbeats, ['bye'])
})

test('bad bytes are not asked for again', async (t) => {
  const server = await serve(t, { handshake: answers(fresh('one'), fresh('two')) })
  const client = await connected(t, server)
  const waiting = client.request('r')
  server.peers[0].send(pkg(9))
  await assert.rejects(waiting, { code: 'lost' })
  await next(client, 'reconnect')
  assert.equal(server.handshakes[1].sys.resume, true)
})

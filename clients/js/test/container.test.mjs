// The client where there is no page: in each manner in which containers open sockets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import WebSocket from 'ws'
import { containers, inContainer } from './containers.mjs'
import { push, response, serve } from './server.mjs'

const next = (client, event) => new Promise((resolve, reject) => {
  client.when(event, resolve)
  setTimeout(() => reject(new Error(`no ${event} within 10 s`)), 10_000).unref()
})
const resume = (token, received) => ({ code: 200, sys: { resume: { token, window: 1000, received } } })

for (const name of containers) {
  test(`${name}: asks, is answered, hears what is pushed, and comes back when it is cut`, async (t) => {
    const server = await serve(t, {
      handshake: () => (server.handshakes.length === 1 ? resume('one') : resume('two', 1)),
      onmessage: ({ id, body }, peer) => peer.send(push('p', body), response(id, body)),
    })
    const { connect, has } = inContainer(name, WebSocket)
    assert.deepEqual(has, [], 'there is no more than a container has')
    const client = await connect(server.url, { reconnect: { initialDelay: 1 } })
    t.after(() => client.close())
    const heard = []
    client.on('p', (body) => heard.push(body))
    assert.equal(await client.request('r', '你好 😀 é'), '你好 😀 é')
    const resumed = next(client, 'resumed')
    server.peers[0].socket.terminate()
    await resumed
    assert.equal(await client.request('r', 'again'), 'again')
    assert.deepEqual(heard, ['你好 😀 é', 'again'])
  })

  test(`${name}: nobody listening is unreachable`, async () => {
    await assert.rejects(inContainer(name, WebSocket).connect('ws://127.0.0.1:1'), { code: 'unreachable' })
  })

  test(`${name}: a text frame is bad bytes`, async (t) => {
    const server = await serve(t, { onready: ({ socket }) => socket.send('text') })
    const client = await inContainer(name, WebSocket).connect(server.url)
    const { code } = await next(client, 'error')
    assert.equal(code, 'protocol')
  })

  test(`${name}: who closes is gone`, async (t) => {
    const server = await serve(t)
    const client = await inContainer(name, WebSocket).connect(server.url)
    const gone = new Promise((resolve) => server.peers[0].socket.on('close', resolve))
    const closed = next(client, 'close')
    client.close()
    await gone
    assert.deepEqual({ ...(await closed) }, { reason: 'closed' })
  })
}

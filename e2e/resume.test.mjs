// Our client in a chat whose connections are cut again and again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import WebSocket from 'ws'
import { connect } from '../clients/js/tangelo.js'
import { ChatProcess, Layout } from './lib/chat.mjs'
import { tangelo } from './lib/clients.mjs'
import { mangler } from './lib/mangler.mjs'
import { soon } from './lib/wait.mjs'

const LINES = 60

const layout = await Layout.free()
const chat = new ChatProcess(layout)
before(() => chat.ready)
after(() => chat.kill())
console.log(`client: ${tangelo}`)

test('a talk goes on over connections that are cut, and nobody misses or hears twice a word', async (t) => {
  const port = layout.clientPort('connector-server-1')
  const cut = (roll) => ({ direction: 'down', after: 500 + roll(700), how: 'fin' })
  const proxy = await mangler(t, port, { seed: 'shaky', cut })
  const open = async (port, name) => {
    const client = await connect(`ws://127.0.0.1:${port}`, { WebSocket, reconnect: { initialDelay: 5, maxDelay: 50 } })
    t.after(() => client.close())
    const heard = []
    client.on('onChat', ({ msg }) => heard.push(msg))
    await client.request('connector.entryHandler.enter', { username: name, rid: 'shaky' })
    return { client, heard }
  }
  const shaky = await open(proxy.port, 'shaky')
  const steady = await open(port, 'steady')
  const events = { resumed: 0, reconnect: 0, gap: 0 }
  for (const event of Object.keys(events)) shaky.client.when(event, () => (events[event] += 1))

  const say = ({ client }, content) => client.request('chat.chatHandler.send', { content, target: '*' })
  const lines = Array.from({ length: LINES }, (_, i) => `line ${i}`)
  // One after the other from the shaky one: their order is that of the talk.
  await soon('all is said', (async () => {
    for (const line of lines) await say(shaky, line)
    for (const line of lines) await say(steady, line)
  })(), 60_000)
  const all = [...lines, ...lines]
  await soon('all is heard', (async () => {
    while (shaky.heard.length < all.length) await new Promise((resolve) => setTimeout(resolve, 10))
  })(), 30_000)
  assert.deepEqual(steady.heard, all)
  assert.deepEqual(shaky.heard, all)
  assert.ok(proxy.cuts.length > 4, `${proxy.cuts.length} cuts`)
  assert.ok(events.resumed > 4, JSON.stringify(events))
  assert.deepEqual([events.reconnect, events.gap], [0, 0])
})

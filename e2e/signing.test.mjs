// The chat where clients have to sign what they say, as Pomelo's could.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ChatProcess, Layout } from './lib/chat.mjs'
import { frames, jsWebsocket, jsWebsocketSigning } from './lib/clients.mjs'
import { enter, plain } from './lib/seat.mjs'

const layout = await Layout.free()
layout.args.push('--set', 'connector.use_crypto=true')
const chat = new ChatProcess(layout)
before(() => chat.ready)
after(() => chat.kill())
console.log(`client: ${jsWebsocketSigning}`)

test('a client that signs talks as any, also beyond ASCII', async (t) => {
  const seats = []
  for (const name of ['ann', '小明']) seats.push((await enter(t, jsWebsocketSigning, layout, name, 'signed')).seat)
  for (const msg of ['hello', '大家好 é']) {
    assert.deepEqual(plain(await seats[0].send(msg)), {})
    for (const seat of seats) await seat.sees('onChat', { msg, from: 'ann', target: '*' })
  }
  const { sent } = frames(seats[0].peer)
  assert.ok(sent.some((frame) => frame.includes('__crypto__')), 'it has signed')
})

test('a client that does not sign is told no', async () => {
  const port = layout.clientPort('connector-server-1')
  await assert.rejects(jsWebsocket.open(port), /handshake fail/)
})

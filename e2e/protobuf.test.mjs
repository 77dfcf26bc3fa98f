// The same chat with a dictionary and Pomelo's protobuf: clients that know them beside those that do not.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { after, before, test } from 'node:test'
import { ChatProcess, Layout } from './lib/chat.mjs'
import { everyClient, frames, jsWebsocket, nodeWebsocket, tangelo } from './lib/clients.mjs'
import { enter, plain, queryEntry } from './lib/seat.mjs'

const DATA = 4
const PUSH_WITH_CODE = 7
const REQUEST_WITH_CODE = 1

const layout = await Layout.free()
layout.args.push('--config', fileURLToPath(new URL('protobuf', import.meta.url)))
const chat = new ChatProcess(layout)
before(() => chat.ready)
after(() => chat.kill())
for (const kind of everyClient) console.log(`client: ${kind}`)

test('all clients talk in one room, each in its own way', async (t) => {
  const rid = '大厅'
  const seats = []
  for (const kind of everyClient) {
    const name = `小明 ${kind.name}`
    const { seat, reply } = await enter(t, kind, layout, name, rid)
    assert.deepEqual([...reply.users].sort(), [...seats.map((seat) => seat.name), name].sort(), `${kind} enters`)
    for (const earlier of seats) await earlier.sees('onAdd', { route: 'onAdd', user: name })
    seats.push(seat)
  }
  for (const speaker of seats) {
    const msg = `大家好 from ${speaker.peer.kind.name} é`
    const answer = speaker.send(msg)
    for (const seat of seats) await seat.sees('onChat', { msg, from: speaker.name, target: '*' })
    assert.deepEqual(plain(await answer), {}, 'no definition, so JSON')
  }
  while (seats.length > 1) {
    const leaver = seats.pop()
    leaver.peer.close()
    for (const seat of seats) await seat.sees('onLeave', { route: 'onLeave', user: leaver.name })
  }
})

test('a page writes and reads codes and protobuf', async (t) => {
  const { seat } = await enter(t, jsWebsocket, layout, 'page', 'codes')
  const { sent, heard } = frames(seat.peer)
  await seat.send('short')
  await seat.sees('onChat', { msg: 'short', from: 'page', target: '*' })

  const said = sent.findLast((frame) => frame[0] === DATA)
  assert.equal(said[4], REQUEST_WITH_CODE)
  assert.ok(!said.includes('{') && !said.includes('chatHandler') && said.includes('short'), said.toString())
  const push = heard.findLast((frame) => frame[0] === DATA && frame[4] === PUSH_WITH_CODE)
  // Flag, code, and the body: three texts, each with its key and its length.
  assert.equal(push.length, 4 + 3 + (2 + 5) + (2 + 4) + (2 + 1))
})

test("a page's emoji arrives whole at who reads UTF-8", async (t) => {
  const rid = 'emoji'
  const page = (await enter(t, jsWebsocket, layout, 'page', rid)).seat
  const others = []
  for (const kind of [nodeWebsocket, tangelo]) others.push((await enter(t, kind, layout, kind.name, rid)).seat)
  await page.send('👋🏽 é 😀')
  for (const seat of others) await seat.sees('onChat', { msg: '👋🏽 é 😀', from: 'page', target: '*' })
})

for (const kind of everyClient) {
  test(`${kind}: a failure is told as far as its definition goes`, async (t) => {
    assert.equal((await queryEntry(kind, layout.gatePort, {})).code, 500)
    await enter(t, kind, layout, 'twin', `once ${kind.name}`)
    const { reply } = await enter(t, kind, layout, 'twin', `once ${kind.name}`)
    assert.equal(reply.code, 500)
  })
}

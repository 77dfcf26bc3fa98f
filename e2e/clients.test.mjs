// Published clients and our own, side by side in one chat.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ChatProcess, Layout } from './lib/chat.mjs'
import { everyClient, tangelo } from './lib/clients.mjs'
import { enter, plain, queryEntry } from './lib/seat.mjs'

const HEARTBEAT = 3_000
const NAMES = { [tangelo.name]: 'ours 🍊' }

/** Names as people have them; told apart by the client they use. */
const nameOf = (kind) => NAMES[kind.name] ?? `小明 😀 ${kind.name}`

const layout = await Layout.free()
const chat = new ChatProcess(layout)
before(() => chat.ready)
after(() => chat.kill())
for (const kind of everyClient) console.log(`client: ${kind}`)

test('all clients talk in one room', async (t) => {
  const rid = '大厅 🏠'
  const seats = []

  for (const kind of everyClient) {
    const name = nameOf(kind)
    const { seat, reply } = await enter(t, kind, layout, name, rid)
    const names = [...seats.map((seat) => seat.name), name]
    assert.deepEqual({ ...reply, users: reply.users?.slice().sort() }, { users: names.slice().sort() }, `${kind} enters`)
    for (const earlier of seats) await earlier.sees('onAdd', { route: 'onAdd', user: name })
    seats.push(seat)
  }
  for (const [i, seat] of seats.entries()) {
    assert.equal(seat.peer.pushes.length, seats.length - 1 - i, `${seat.peer.kind} sees who comes after, and nothing else`)
  }

  for (const kind of everyClient) {
    await t.test(`${kind} speaks to everyone`, async () => {
      const from = nameOf(kind)
      const speaker = seats.find((seat) => seat.peer.kind === kind)
      const msg = `大家好 from ${kind.name} 👋🏽 é`
      const answer = speaker.send(msg)
      for (const seat of seats) await seat.sees('onChat', { msg, from, target: '*' })
      assert.deepEqual(plain(await answer), {})
    })
  }

  for (const kind of everyClient) {
    await t.test(`${kind} has a word in private`, async () => {
      const i = everyClient.indexOf(kind)
      const speaker = seats[i]
      const listener = seats[(i + 1) % seats.length]
      const line = { msg: `悄悄话 🤫 from ${kind.name}`, from: speaker.name, target: listener.name }
      assert.deepEqual(plain(await speaker.send(line.msg, listener.name)), {})
      await listener.sees('onChat', line)

      // Pushes of a room keep their order: when this one is here, a stray private line would be, too.
      const after = { msg: `after the word from ${kind.name}`, from: seats[0].name, target: '*' }
      await seats[0].send(after.msg)
      for (const seat of seats) {
        await seat.sees('onChat', after)
        assert.equal(seat.count('onChat', line), seat === listener ? 1 : 0, `${seat.peer.kind}`)
      }
    })
  }

  await t.test('leave, and everyone who stays sees it', async () => {
    while (seats.length > 1) {
      const leaver = seats.pop()
      leaver.peer.close()
      for (const seat of seats) await seat.sees('onLeave', { route: 'onLeave', user: leaver.name })
    }
  })
})

for (const kind of everyClient) {
  test(`${kind}: a name can be in a room once`, async (t) => {
    const rid = `once ${kind.name}`
    const first = await enter(t, kind, layout, 'twin', rid)
    assert.deepEqual(first.reply, { users: ['twin'] })
    const second = await enter(t, kind, layout, 'twin', rid)
    assert.deepEqual(second.reply, { code: 500, error: true })
    assert.equal(first.seat.peer.pushes.length, 0)
    const elsewhere = await enter(t, kind, layout, 'twin', `${rid} elsewhere`)
    assert.deepEqual(elsewhere.reply, { users: ['twin'] })
  })

  test(`${kind}: the gate asks for a uid`, async () => {
    assert.deepEqual(await queryEntry(kind, layout.gatePort, {}), { code: 500 })
    const { code, host, port } = await queryEntry(kind, layout.gatePort, { uid: 'somebody' })
    assert.deepEqual({ code, host }, { code: 200, host: '127.0.0.1' })
    assert.ok([1, 2].some((n) => port === layout.clientPort(`connector-server-${n}`)), `${port}`)
  })
}

test('the gate spreads people over both connectors, always the same way', async () => {
  const ports = new Map()
  for (let i = 0; i < 20; i++) ports.set(i, (await queryEntry(tangelo, layout.gatePort, { uid: `user ${i}` })).port)
  assert.equal(new Set(ports.values()).size, 2)
  for (const [i, port] of ports) assert.equal((await queryEntry(tangelo, layout.gatePort, { uid: `user ${i}` })).port, port)
})

test('a route that is not there is answered', async (t) => {
  const peer = await tangelo.open(layout.clientPort('connector-server-1'))
  t.after(() => peer.close())
  for (const route of ['connector.entryHandler.nothing', 'nobody.atHome.atAll', 'nonsense']) {
    assert.equal((await peer.request(route, {})).code, 404, route)
  }
})

for (const kind of everyClient) {
  test(`${kind}: a route of two parts is the front end's own, as nano's clients write it`, async (t) => {
    const peer = await kind.open(layout.clientPort('connector-server-1'))
    t.after(() => peer.close())
    const username = nameOf(kind)
    const { users } = plain(await peer.request('entryHandler.enter', { username, rid: `two ${kind.name}` }))
    assert.deepEqual(users, [username])
  })
}

test('heartbeats keep clients that say nothing', async (t) => {
  const rid = 'quiet'
  const peers = await Promise.all(everyClient.map((kind) => kind.open(layout.clientPort('connector-server-2'))))
  t.after(() => peers.forEach((peer) => peer.close()))
  // Twice the interval is where the server gives up; one more to be sure.
  await sleep(2.7 * HEARTBEAT)
  for (const peer of peers) {
    const name = nameOf(peer.kind)
    const { users } = plain(await peer.request('connector.entryHandler.enter', { username: name, rid }))
    assert.ok(users.includes(name), `${peer.kind}`)
  }
})

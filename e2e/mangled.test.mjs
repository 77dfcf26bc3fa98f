// Every client through a proxy that mangles what goes over it, both ways, and cuts it.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ChatProcess, Layout } from './lib/chat.mjs'
import { jsWebsocket, nodeTcp, nodeWebsocket, resuming, tangelo } from './lib/clients.mjs'
import { mangler, ways } from './lib/mangler.mjs'
import { enter, plain, Seat } from './lib/seat.mjs'
import { soon, until } from './lib/wait.mjs'

/** What is done to the bytes. */
const MANGLINGS = {
  'split into pieces of 1 to 7 bytes': ways.split,
  'split into single bytes': ways.byteByByte,
  'joined across messages': ways.joined,
  late: ways.late,
  'cut anew, late and joined': ways.mangled,
}

/** The clients, each with what it can bear of what goes down to it, where that is not everything. */
const CLIENTS = [
  { kind: tangelo },
  { kind: jsWebsocket },
  { kind: nodeWebsocket },
  // It takes what it reads at once for one package, whatever it is: of two it drops the second, and at a part of
  // one it throws. Servers pace what they tell it for that. So what goes down to it stays whole packages, each by
  // itself, and only what it says is mangled.
  { kind: nodeTcp, bears: (way) => (way === ways.late ? ways.latePackages : ways.packages), whole: true },
]

/** In the room there is talk in all lengths: of one byte, of one piece, of many. */
const LINES = ['a', '你好 😀', 'b'.repeat(130), '', 'é'.repeat(200), 'the last but one', 'c'.repeat(600), 'end']

const layout = await Layout.free()
const chat = new ChatProcess(layout)
before(() => chat.ready)
after(() => chat.kill())
for (const { kind } of [...CLIENTS, { kind: resuming }]) console.log(`client: ${kind}`)

const CONNECTORS = ['connector-server-1', 'connector-server-2'].map((id) => layout.clientPort(id))

/** The same doors, each behind a proxy. */
async function mangledLayout(t, seed, way, bears = (way) => way, cut) {
  const through = (port) => mangler(t, port, { seed, up: way, down: bears(way), cut })
  const [gate, ...connectors] = await Promise.all([layout.gatePort, ...CONNECTORS].map(through))
  return { gatePort: gate.port, door: (port) => connectors[CONNECTORS.indexOf(port)].port, connectors }
}

/** What somebody has heard of somebody, in the order it came. */
const heard = (listener, speaker) =>
  listener.peer.pushes.filter(({ route, body }) => route === 'onChat' && body.from === speaker.name).map(({ body }) => body.msg)

/** All speak at the same time, without waiting for each other or for themselves; everybody hears it in order, once. */
async function talk(seats, lines = LINES) {
  const answers = seats.flatMap((seat) => lines.map((line) => seat.send(line)))
  for (const answer of answers) assert.deepEqual(plain(await answer), {})
  await until('all is heard', () => seats.every((to) => seats.every((from) => heard(to, from).length >= lines.length)))
  for (const to of seats) for (const from of seats) assert.deepEqual(heard(to, from), lines, `${from.name} to ${to.name}`)
}

for (const { kind, bears } of CLIENTS) {
  describe(`${kind}: talks as if nothing were between`, { concurrency: 5 }, () => {
    for (const [title, way] of Object.entries(MANGLINGS)) {
      test(title, async (t) => {
        const rid = `${kind.name} ${title}`
        const { seat: steady } = await enter(t, tangelo, layout, 'steady', rid)
        const mangled = await enter(t, kind, await mangledLayout(t, rid, way, bears), 'mangled 🍊', rid)
        assert.deepEqual(mangled.reply.users.toSorted(), ['mangled 🍊', 'steady'])
        await talk([steady, mangled.seat])
        mangled.seat.peer.close()
        await steady.sees('onLeave', { route: 'onLeave', user: 'mangled 🍊' })
        assert.equal(steady.count('onAdd', { route: 'onAdd', user: 'mangled 🍊' }), 1)
      })
    }
  })
}

/** Two who are in the same room all the time and never stop talking. */
async function steadyPair(t, rid) {
  const seats = []
  for (const [i, port] of CONNECTORS.entries()) {
    const peer = await tangelo.open(port)
    t.after(() => peer.close())
    await peer.request('connector.entryHandler.enter', { username: `steady ${i}`, rid })
    seats.push(new Seat(peer, `steady ${i}`, rid))
  }
  let goesOn = true
  const said = seats.map(() => [])
  const talks = seats.map(async (seat, i) => {
    while (goesOn) {
      const line = `line ${said[i].length}`
      said[i].push(line)
      assert.deepEqual(await seat.send(line), {})
      await sleep(10)
    }
  })
  for (const talk of talks) talk.catch(() => {})
  return {
    seats,
    /** Both have heard all that both have said, in order, once. */
    async isUndisturbed() {
      goesOn = false
      await Promise.all(talks)
      await until('all is heard', () => seats.every((to) => seats.every((from, i) => heard(to, from).length >= said[i].length)))
      for (const to of seats) for (const [i, from] of seats.entries()) assert.deepEqual(heard(to, from), said[i])
    },
  }
}

/** How often a room was told this of somebody. */
const told = (seat, route, user) => seat.count(route, { route, user })

/** Somebody comes in and talks, and is told that the connection is gone: by an event, and by what it waits for. */
async function talksUntilTheEnd(t, kind, port, name, rid, entered) {
  let peer
  const talking = async () => {
    peer = await kind.open(port)
    t.after(() => peer.close())
    await peer.request('connector.entryHandler.enter', { username: name, rid })
    entered()
    const seat = new Seat(peer, name, rid)
    for (;;) await seat.send(LINES[4])
  }
  await assert.rejects(talking(), ({ message }) => !message.includes('not within'), `${name} finds the end`)
  if (peer) await soon(`${name} is told of the end`, peer.ended)
}

const CUTS = ['up', 'down'].flatMap((direction) => ['fin', 'rst'].map((how) => ({ direction, how })))

for (const { kind, bears = (way) => way, whole } of CLIENTS) {
  describe(`${kind}: is cut, finds the end and is gone from the room, and nobody else notices`, { concurrency: 2 }, () => {
    for (const [when, at, isIn] of [
      ['at any byte of its way in', (roll) => 1 + roll(450), false],
      ['in the middle of its talk', (roll) => 1 + roll(900), true],
    ]) {
      test(when, async (t) => {
        const rid = `${kind.name} ${when}`
        const pair = await steadyPair(t, rid)
        const names = []
        const cuts = [...CUTS, ...CUTS].map(async ({ direction, how }, i) => {
          const name = `${how} ${direction} ${i}`
          names.push(name)
          const cut = (roll) => ({ direction, how, whole, after: at(roll) })
          const options = { seed: `${rid} ${name}`, up: ways.split, down: bears(ways.split) }
          const proxy = await mangler(t, CONNECTORS[i % 2], isIn ? options : { ...options, cut })
          await talksUntilTheEnd(t, kind, proxy.port, name, rid, () => isIn && proxy.cut(cut))
          assert.deepEqual(proxy.cuts, [{ direction, how }])
        })
        await Promise.all(cuts)

        // Nobody is in a room twice: who can come again has left it.
        for (const name of names) {
          const again = await tangelo.open(CONNECTORS[0])
          t.after(() => again.close())
          const { users } = await until(`${name} comes again`, async () => {
            const reply = await again.request('connector.entryHandler.enter', { username: name, rid })
            return reply.users && reply
          })
          assert.equal(users.filter((user) => user === name).length, 1)
        }
        await pair.isUndisturbed()
        for (const seat of pair.seats) {
          await until('the room is told of all', () => names.every((name) => told(seat, 'onAdd', name) - told(seat, 'onLeave', name) === 1))
          if (isIn) for (const name of names) assert.equal(told(seat, 'onLeave', name), 1, `${name} leaves once`)
        }
      })
    }
  })
}

describe(`${resuming}: is cut again and again, comes back by itself, and neither misses nor doubles a line`, { concurrency: 5 }, () => {
  for (const [title, way] of Object.entries(MANGLINGS)) {
    test(title, async (t) => {
      const rid = `${resuming.name} ${title}`
      // The first gets through its handshake. Of the others some do not; enough get as far as the longest line.
      const any = (roll, before) => ({ ...CUTS[roll(CUTS.length)], after: before ? 100 + roll(2900) : 900 + roll(1000) })
      const doors = await mangledLayout(t, rid, way)
      const cutting = await Promise.all(CONNECTORS.map((port) => mangler(t, port, { seed: rid, up: way, cut: any })))
      const { seat: steady } = await enter(t, tangelo, layout, 'steady', rid)
      const cut = await enter(t, resuming, { ...doors, door: (port) => cutting[CONNECTORS.indexOf(port)].port }, 'cut', rid)
      const events = { resumed: 0, reconnect: 0, gap: 0 }
      for (const event of Object.keys(events)) cut.seat.peer.client.when(event, () => (events[event] += 1))
      await talk([steady, cut.seat])
      assert.ok(events.resumed > 0, JSON.stringify(events))
      assert.deepEqual([events.reconnect, events.gap], [0, 0])
    })
  }
})

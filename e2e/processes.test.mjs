// The chat as six processes: any order of starting, one of them killed, all of them stopped.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ChatProcess, Layout } from './lib/chat.mjs'
import { everyClient, tangelo } from './lib/clients.mjs'
import { enter, plain, queryEntry } from './lib/seat.mjs'
import { until } from './lib/wait.mjs'

// Back ends last: everyone in front of them starts without them.
const ORDER = ['web-server-1', 'connector-server-2', 'gate-server-1', 'connector-server-1', 'chat-server-2', 'chat-server-1']
const BACK_ENDS = ['chat-server-1', 'chat-server-2']

const layout = await Layout.free()
const processes = new Map()
for (const kind of everyClient) console.log(`client: ${kind}`)

async function start(id) {
  const started = new ChatProcess(layout, id)
  processes.set(id, started)
  await started.ready
}

before(async () => {
  for (const id of ORDER) await start(id)
})
after(() => Promise.all([...processes.values()].map((started) => started.kill())))

/** The checksum by which a room's back end is chosen. Node has one of its own only since 20.15. */
const crc32 = (text) => {
  let crc = ~0
  for (const byte of Buffer.from(text)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc
}
const owner = (rid) => BACK_ENDS[Math.abs(crc32(rid)) % BACK_ENDS.length]

/** A room for each back end. */
const roomOf = (id) => ['red', 'green', 'blue', 'white', 'black'].find((rid) => owner(rid) === id)

/** Names that the gate sends to different connectors, so that a room reaches across both. */
async function twoNames() {
  const nameByPort = new Map()
  for (let i = 0; nameByPort.size < 2; i++) {
    const uid = `member-${i}`
    const { port } = await queryEntry(tangelo, layout.gatePort, { uid })
    if (!nameByPort.has(port)) nameByPort.set(port, uid)
  }
  return [...nameByPort.values()]
}

/** Two members of one room on two connectors, who have just heard each other. */
async function talkingPair(t, rid) {
  const seats = []
  for (const name of await twoNames()) {
    // Front ends that started first may need a moment to find the back end.
    const { seat } = await until(`${name} enters ${rid}`, async () => {
      const entered = await enter(t, tangelo, layout, name, rid)
      return entered.reply.users && entered
    })
    seats.push(seat)
  }
  await hearEachOther(seats, 'hello')
  return seats
}

async function hearEachOther(seats, text) {
  for (const seat of seats) {
    const line = { msg: `${text} from ${seat.name}`, from: seat.name, target: '*' }
    assert.deepEqual(await seat.send(line.msg), {})
    for (const listener of seats) await listener.sees('onChat', line)
  }
}

test('the page and its configuration are served', async () => {
  const page = await fetch(layout.pageUrl)
  assert.match(await page.text(), /Tangelo chat/)
  const config = await (await fetch(new URL('/config.json', layout.pageUrl))).json()
  assert.equal(config.gate.port, layout.gatePort)
})

test('published clients talk across connectors, in a room of either back end', async (t) => {
  for (const id of BACK_ENDS) {
    const rid = roomOf(id)
    const pair = await talkingPair(t, rid)
    for (const kind of everyClient) {
      const { seat } = await enter(t, kind, layout, kind.name, rid)
      const line = { msg: `你好 😀 from ${kind.name}`, from: kind.name, target: pair[0].name }
      assert.deepEqual(plain(await seat.send(line.msg, pair[0].name)), {}, `${kind}`)
      await pair[0].sees('onChat', line)
    }
  }
})

test('a killed back end: an answer at once, and its rooms live again when it is back', async (t) => {
  const [victim, survivor] = BACK_ENDS
  const members = await talkingPair(t, roomOf(victim))
  const others = await talkingPair(t, roomOf(survivor))

  await processes.get(victim).kill()

  for (const member of members) {
    const asked = performance.now()
    const { code } = await member.send('is anybody there?')
    const took = performance.now() - asked
    assert.ok(code === 502 || code === 503, `code ${code}`)
    assert.ok(took < 1_000, `answered after ${Math.round(took)} ms`)
  }
  await hearEachOther(others, 'we notice nothing')

  await start(victim)
  await until('the room can be spoken to again', async () => (await members[0].send('back?')).code === undefined, 15_000)
  await hearEachOther(members, 'here we are again')
})

test('requests under way when the back end is killed are answered too', async (t) => {
  const [, victim] = BACK_ENDS
  const [member] = await talkingPair(t, roomOf(victim))
  let sending = true
  const codes = new Set()
  const flood = (async () => {
    while (sending) {
      const replies = await Promise.all(Array.from({ length: 20 }, () => member.send('flood')))
      for (const { code } of replies) codes.add(code)
    }
  })()
  await until('the flood runs', () => codes.has(undefined))
  await processes.get(victim).kill()
  await until('the loss is answered', () => codes.has(502) || codes.has(503), 1_000)
  sending = false
  await flood
  codes.delete(undefined)
  for (const code of codes) assert.ok(code === 502 || code === 503, `code ${code}`)
  await start(victim)
})

test('Ctrl-C: every process drains and exits with 0', async (t) => {
  await talkingPair(t, roomOf(BACK_ENDS[0]))
  // Front ends first, while members are connected.
  for (const id of ORDER) {
    assert.equal(await processes.get(id).stop(), 0, id)
  }
})

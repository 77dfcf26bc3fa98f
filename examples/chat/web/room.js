// A seat in a room: through the gate to a connector, into the room, and back again when the connection
// is lost. Knows nothing of the page.
import { connect } from '/tangelo.js'

/** The server said no, and why, in words for a reader. */
export class Refused extends Error {}

const RETRY = { first: 500, longest: 10_000 }
const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/
const WILDCARD = /^(|0\.0\.0\.0|::)$/

/**
 * Enters and stays until the page goes.
 *
 * `room.onpush[route](body)` is called for pushes, `room.onstate(state, users)` with 'online' and the names
 * in the room after every entry, with 'lost' while there is no connection, and with 'kicked' at the end.
 */
export async function enterRoom(room) {
  const entered = await enterOnce(room)
  stay(room, entered)
}

async function stay(room, { client, users }) {
  for (;;) {
    room.client = client
    room.onstate('online', users)
    const { reason } = await new Promise((resolve) => (client.connected ? client.when('close', resolve) : resolve({})))
    // Coming back by itself would throw out the session that was the reason for the kick.
    if (reason === 'kicked') return room.onstate('kicked')
    room.onstate('lost')
    ;({ client, users } = await comeBack(room))
  }
}

/** A new connection is a new session, and by now another connector may be better: from the gate again. */
async function comeBack(room) {
  for (let delay = RETRY.first; ; delay = Math.min(2 * delay, RETRY.longest)) {
    await new Promise((resolve) => setTimeout(resolve, delay * (0.5 + Math.random() / 2)))
    try {
      return await enterOnce(room)
    } catch {
      // Even a taken name passes: it is ours, until the server notices that the old connection is gone.
    }
  }
}

async function enterOnce({ name, rid, onpush }) {
  const client = await connect(await askGate(name))
  try {
    // Before entering: from then on pushes may come at any time.
    for (const [route, listener] of Object.entries(onpush)) client.on(route, listener)
    const reply = await client.request('connector.entryHandler.enter', { username: name, rid })
    if (reply.error) throw new Refused(`Somebody called “${name}” is already in this room. Please choose another name.`)
    if (reply.code === 400) throw new Refused(`The room could not be entered: ${reply.msg}.`)
    if (!reply.users) throw new Refused(`The room could not be entered (code ${reply.code}). Please try again in a moment.`)
    return { client, users: reply.users }
  } catch (error) {
    client.close()
    throw error
  }
}

async function askGate(uid) {
  const { gate } = await (await fetch('/config.json')).json()
  const client = await connect(socketUrl(gate.host ?? location.hostname, gate.port))
  try {
    const { code, host, port } = await client.request('gate.gateHandler.queryEntry', { uid })
    if (code !== 200) throw new Refused(`The gate let nobody in (code ${code}). Please try again in a moment.`)
    return socketUrl(reachable(host), port)
  } finally {
    client.close()
  }
}

/** A server tells the address it listens on, which may mean nothing on the machine this page is read on. */
function reachable(host) {
  const here = location.hostname.replace(/^\[|\]$/g, '')
  return WILDCARD.test(host) || (LOOPBACK.test(host) && !LOOPBACK.test(here)) ? here : host
}

function socketUrl(host, port) {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
  const bare = host.replace(/^\[|\]$/g, '')
  return `${scheme}://${bare.includes(':') ? `[${bare}]` : bare}:${port}`
}

import { isDeepStrictEqual } from 'node:util'
import { until } from './wait.mjs'

/** Somebody in a room: a peer with a name, and what a user of the chat can see and do. */
export class Seat {
  constructor(peer, name, rid) {
    this.peer = peer
    this.name = name
    this.rid = rid
  }

  send(content, target = '*') {
    return this.peer.request('chat.chatHandler.send', { rid: this.rid, content, from: this.name, target })
  }

  /** Waits until this push has come, with this body. */
  sees(route, body) {
    const what = `${this.name} (${this.peer.kind.name}) sees ${route} ${JSON.stringify(body)}`
    return until(what, () => this.count(route, body) > 0)
  }

  /** How often this push has come. */
  count(route, body) {
    return this.peer.pushes.filter((push) => push.route === route && isDeepStrictEqual(plain(push.body), body)).length
  }
}

/** Objects made in another `vm` context have another `Object.prototype`, which strict equality minds. */
export const plain = (body) => JSON.parse(JSON.stringify(body))

/** Asks the gate where to connect. */
export async function queryEntry(kind, gatePort, body) {
  const gate = await kind.open(gatePort)
  try {
    return plain(await gate.request('gate.gateHandler.queryEntry', body))
  } finally {
    gate.close()
  }
}

/** Goes the whole way in: gate, connector, room. Resolves with the seat and the answer to `enter`. */
export async function enter(t, kind, layout, name, rid) {
  const { port } = await queryEntry(kind, layout.gatePort, { uid: name })
  const peer = await kind.open(layout.door(port))
  t.after(() => peer.close())
  const reply = plain(await peer.request('connector.entryHandler.enter', { username: name, rid }))
  return { seat: new Seat(peer, name, rid), reply }
}

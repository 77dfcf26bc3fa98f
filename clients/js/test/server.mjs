// A server just real enough for the client's tests: it shakes hands, answers heartbeats, and leaves
// everything else to the test. Bytes are built and read by hand here, so that a mistake in the
// client's own codec cannot cancel itself out.
import { once } from 'node:events'
import { WebSocketServer } from 'ws'

export const HANDSHAKE = 1
export const ACK = 2
export const HEARTBEAT = 3
export const DATA = 4
export const KICK = 5

export function pkg(type, body = '') {
  const bytes = Buffer.from(body)
  const header = Buffer.alloc(4)
  header.writeUInt32BE(bytes.length)
  header[0] = type
  return Buffer.concat([header, bytes])
}

/** For ids below 128. */
export const response = (id, body) => pkg(DATA, Buffer.concat([Buffer.from([0x04, id]), Buffer.from(JSON.stringify(body))]))

export function push(route, body) {
  const name = Buffer.from(route)
  return pkg(DATA, Buffer.concat([Buffer.from([0x06, name.length]), name, Buffer.from(JSON.stringify(body))]))
}

function readMessage(body) {
  const request = body[0] === 0x00
  const at = request ? 2 : 1
  const end = at + 1 + body[at]
  return {
    id: request ? body[1] : undefined,
    route: body.subarray(at + 1, end).toString(),
    body: JSON.parse(body.subarray(end).toString()),
  }
}

/**
 * `onmessage(message, peer)` gets each request and notify, `onready(peer)` each client after its ACK.
 * `peer.received` is the list of all package types that came in, `peer.heartbeats` the bodies of heartbeats.
 * A `handshake` that is a function gets what the client said, and answers.
 */
export async function serve(t, { handshake = { code: 200, sys: {} }, answerHeartbeats = true, onmessage, onready } = {}) {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(wss, 'listening')
  const server = { url: `ws://127.0.0.1:${wss.address().port}`, handshakes: [], peers: [] }

  wss.on('connection', (socket) => {
    const peer = { socket, received: [], heartbeats: [], send: (...packages) => socket.send(Buffer.concat(packages)) }
    server.peers.push(peer)
    socket.on('message', (bytes) => {
      const type = bytes[0]
      peer.received.push(type)
      if (type === HANDSHAKE) {
        const hello = JSON.parse(bytes.subarray(4).toString())
        server.handshakes.push(hello)
        const answer = typeof handshake === 'function' ? handshake(hello, peer) : handshake
        if (answer) peer.send(pkg(HANDSHAKE, typeof answer === 'string' ? answer : JSON.stringify(answer)))
      }
      if (type === ACK) {
        onready?.(peer)
        if (handshake.sys?.heartbeat) peer.send(pkg(HEARTBEAT))
      }
      if (type === HEARTBEAT) peer.heartbeats.push(bytes.subarray(4).toString())
      if (type === HEARTBEAT && answerHeartbeats) peer.send(pkg(HEARTBEAT))
      if (type === DATA) onmessage?.(readMessage(bytes.subarray(4)), peer)
    })
  })

  t.after(() => {
    for (const peer of server.peers) peer.socket.terminate()
    wss.close()
  })
  return server
}

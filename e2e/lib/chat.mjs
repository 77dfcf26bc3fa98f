// Starts the chat application, as one process or as several, on ports of its own.
import { freePorts } from './ports.mjs'
import { Program } from './program.mjs'

const READY = /^(ready|chat page: \S+)$/

/** Which ports of which server are moved away from their defaults. */
const PORTS = [
  ['web-server-1', 'clientPort'],
  ['gate-server-1', 'clientPort'],
  ['connector-server-1', 'clientPort'],
  ['connector-server-1', 'port'],
  ['connector-server-2', 'clientPort'],
  ['connector-server-2', 'port'],
  ['chat-server-1', 'port'],
  ['chat-server-2', 'port'],
]

/** The ports of one chat, and the arguments that tell them to each of its processes. */
export class Layout {
  static async free() {
    const ports = await freePorts(PORTS.length)
    const layout = new Layout()
    layout.args = PORTS.flatMap(([id, key], i) => ['--set', `${id}.${key}=${ports[i]}`])
    layout.clientPorts = Object.fromEntries(PORTS.map(([id, key], i) => [`${id}.${key}`, ports[i]]))
    return layout
  }

  clientPort(id) {
    return this.clientPorts[`${id}.clientPort`]
  }

  /** Where to go for a port that the gate has named. */
  door(port) {
    return port
  }

  get gatePort() {
    return this.clientPort('gate-server-1')
  }

  get pageUrl() {
    return `http://127.0.0.1:${this.clientPort('web-server-1')}/`
  }
}

/** One process of the chat: all servers, or the one with this id. */
export class ChatProcess extends Program {
  constructor(layout, id) {
    super('chat', [...(id ? ['--id', id] : []), ...layout.args], READY, id)
  }
}

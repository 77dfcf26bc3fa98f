// Starts the chat application, as one process or as several, on ports of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePorts } from './ports.mjs'
import { soon } from './wait.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BINARY = process.env.CHAT_BIN ?? `${ROOT}target/debug/chat`

const READY = /^(ready|chat page: \S+)$/
const START_WITHIN = 30_000
const LINES_KEPT = 60

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

const running = new Set()

// Also when a test fails, or the test runner gives up on this file: nothing we started outlives us.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

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

  get gatePort() {
    return this.clientPort('gate-server-1')
  }

  get pageUrl() {
    return `http://127.0.0.1:${this.clientPort('web-server-1')}/`
  }
}

/** One process of the chat: all servers, or the one with this id. */
export class ChatProcess {
  #child
  #exited
  #lines = []

  constructor(layout, id) {
    if (!existsSync(BINARY)) throw new Error(`there is no ${BINARY}: build the chat, or say where it is with CHAT_BIN`)
    this.name = id ?? 'chat'
    this.#child = spawn(BINARY, [...(id ? ['--id', id] : []), ...layout.args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(this.#child)
    this.#exited = once(this.#child, 'exit').then(([code, signal]) => {
      running.delete(this.#child)
      return signal ?? code
    })
    this.ready = this.#readyLine()
    // Whoever starts several awaits them later; until then a failure is not an unhandled one.
    this.ready.catch(() => {})
  }

  /** Asks it to stop, as Ctrl-C does. Resolves with its exit code, or the signal that ended it. */
  stop(within = 15_000) {
    this.#child.kill('SIGINT')
    return soon(`${this.name} stops`, this.#exited, within)
  }

  /** kill -9 */
  async kill() {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  async #readyLine() {
    const ready = new Promise((resolve) => {
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        this.#keep(line)
        if (READY.test(line)) resolve('ready')
      })
      createInterface({ input: this.#child.stderr }).on('line', (line) => this.#keep(line))
    })
    const late = sleep(START_WITHIN, 'took too long', { ref: false })
    const ended = this.#exited.then((how) => `ended with ${how}`)
    const outcome = await Promise.race([ready, ended, late])
    if (outcome !== 'ready') throw new Error(`${this.name} ${outcome} before it was ready\n${this.#lines.join('\n')}`)
  }

  #keep(line) {
    this.#lines.push(line)
    if (this.#lines.length > LINES_KEPT) this.#lines.shift()
  }
}

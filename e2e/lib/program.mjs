// Runs the programs of this repository, as they were built.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { soon } from './wait.mjs'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const START_WITHIN = 30_000
const LINES_KEPT = 60

const running = new Set()

// Also when a test fails, or the test runner gives up on this file: nothing we started outlives us.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

/** Where a program lies: where `NAME_BIN` says, or where cargo puts it. */
function binary(name) {
  const variable = `${name.toUpperCase()}_BIN`
  const path = process.env[variable] ?? `${ROOT}target/debug/${name}`
  if (!existsSync(path)) throw new Error(`there is no ${path}: build ${name}, or say where it is with ${variable}`)
  return path
}

/** A program that runs until it is stopped. `ready` resolves when it has printed a line that matches. */
export class Program {
  #child
  #exited
  #lines = []

  constructor(program, args, isReady, name = program) {
    this.name = name
    this.#child = spawn(binary(program), args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(this.#child)
    this.#exited = once(this.#child, 'exit').then(([code, signal]) => {
      running.delete(this.#child)
      return signal ?? code
    })
    this.ready = this.#readyLine(isReady)
    // Whoever starts several awaits them later; until then a failure is not an unhandled one.
    this.ready.catch(() => {})
  }

  /** What it has printed last, on stdout and stderr. */
  get lines() {
    return [...this.#lines]
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

  async #readyLine(isReady) {
    const ready = new Promise((resolve) => {
      for (const output of [this.#child.stdout, this.#child.stderr]) {
        createInterface({ input: output }).on('line', (line) => {
          this.#keep(line)
          if (isReady.test(line)) resolve('ready')
        })
      }
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

/** Runs a program to its end: its exit code, and what it printed. */
export async function run(program, args, cwd = ROOT) {
  const child = spawn(binary(program), args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const printed = { stdout: '', stderr: '' }
  for (const output of ['stdout', 'stderr']) {
    child[output].setEncoding('utf8').on('data', (text) => (printed[output] += text))
  }
  const [code, signal] = await soon(`${program} ${args.join(' ')}`, once(child, 'close'), 15_000)
  running.delete(child)
  return { code: signal ?? code, ...printed }
}

// A proxy that stands between a client and its door and hands the bytes on in other pieces than they
// came in: split, joined, late, and not to the end. What it does is decided by a seed.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'

const HOST = '127.0.0.1'

/** A seed for this run, and what to say to have the same once more. */
export const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)
console.log(`mangled with SEED=${SEED}`)

/** Numbers that look like chance and are the same each time: `roll(n)` is one of 0 to n - 1. */
export function dice(...seeds) {
  let state = 0x811c9dc5
  for (const character of seeds.join('/')) state = Math.imul(state ^ character.codePointAt(0), 0x01000193)
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

// ------------------------------------------------------------------------------------------- ways

const MOST_HELD = 5
const HELD_FOR = 8
const LATEST = 12

/** What can be done to the pieces of one direction. */
export const ways = {
  async *asTheyCome(pieces) {
    yield* pieces
  },

  /** 1 to 7 bytes at a time. */
  async *split(pieces, roll) {
    for await (const piece of pieces) {
      for (let at = 0, end; at < piece.length; at = end) {
        end = at + 1 + roll(7)
        yield piece.subarray(at, end)
      }
    }
  },

  async *byteByByte(pieces) {
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length; at++) yield piece.subarray(at, at + 1)
    }
  },

  /** Several as one, which ends wherever the last of them did; so they are cut into odd ones first. */
  async *joined(pieces, roll) {
    const coming = odd(pieces, roll)
    let next = coming.next()
    for (;;) {
      const first = await next
      if (first.done) return
      const held = [first.value]
      const many = 2 + roll(MOST_HELD - 1)
      // Who waits for an answer says nothing more: the last ones are not held for ever.
      const enough = sleep(HELD_FOR)
      next = coming.next()
      while (held.length < many) {
        const come = await Promise.race([next, enough])
        if (!come || come.done) break
        held.push(come.value)
        next = coming.next()
      }
      yield Buffer.concat(held)
    }
  },

  /** Each some milliseconds after the one before, in their order. */
  async *late(pieces, roll) {
    for await (const piece of pieces) {
      await sleep(roll(LATEST))
      yield piece
    }
  },

  /** All of it. */
  async *mangled(pieces, roll) {
    yield* ways.joined(ways.late(odd(pieces, roll), roll), roll)
  },

  /** Pomelo's packages, each by itself, for who takes what it reads for one: neither less nor more. */
  async *packages(pieces) {
    let read = Buffer.alloc(0)
    for await (const piece of pieces) {
      read = Buffer.concat([read, piece])
      while (read.length >= 4 && read.length >= 4 + read.readUIntBE(1, 3)) {
        const end = 4 + read.readUIntBE(1, 3)
        yield read.subarray(0, end)
        read = read.subarray(end)
      }
    }
  },

  async *latePackages(pieces, roll) {
    yield* ways.late(ways.packages(pieces), roll)
  },
}

/** Pieces that have nothing to do with what is in them: 1 to 80 bytes. */
async function* odd(pieces, roll) {
  for await (const piece of pieces) {
    for (let at = 0, end; at < piece.length; at = end) {
      end = at + 1 + roll(80)
      yield piece.subarray(at, end)
    }
  }
}

// ------------------------------------------------------------------------------------------ proxy

/**
 * A proxy in front of `port`, for the length of the test `t`.
 *
 * `up` and `down` are ways. `cut(roll, before)` says of each connection where it ends, if it does,
 * and is told how many came before it:
 * `{ direction: 'up' | 'down', after: bytes, how: 'fin' | 'rst' }`; whatever is under way is then lost. With
 * `whole`, the piece with that byte is the last, and not cut itself.
 * `cut(cut)` of the proxy says so of connections that stand already. `cuts` has those that were made.
 */
export async function mangler(t, port, { seed, up = ways.asTheyCome, down = up, cut = () => {} }) {
  const roll = dice(SEED, seed)
  const between = new Set()
  const cuts = []
  let count = 0
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const pair = new Pair(client, port, cuts)
    between.add(pair)
    client.on('close', () => between.delete(pair))
    const end = cut(roll, count++)
    if (end) pair.cut(end)
    pair.carry({ up, down, roll })
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const pair of between) pair.reset()
  })
  return {
    port: server.address().port,
    cuts,
    cut: (cut) => between.forEach((pair) => pair.cut(cut(roll))),
  }
}

/** A client's connection and the one that goes on from here. */
class Pair {
  #client
  #door
  #cuts
  #end = {}
  #ended = false

  constructor(client, port, cuts) {
    this.#client = client
    this.#door = connect({ port, host: HOST, allowHalfOpen: true, noDelay: true })
    this.#cuts = cuts
    for (const side of [this.#client, this.#door]) side.on('error', () => this.reset())
  }

  /** Ends it when so many bytes more have gone this way. */
  cut(end) {
    this.#end = { ...end }
  }

  carry({ up, down, roll }) {
    this.#carry('up', this.#client, this.#door, up, roll)
    this.#carry('down', this.#door, this.#client, down, roll)
  }

  reset() {
    this.#ended = true
    reset(this.#client)
    reset(this.#door)
  }

  async #carry(direction, from, to, way, roll) {
    for await (const piece of way(arrivals(from), roll)) {
      // What is still here of a connection that is gone goes nowhere.
      if (this.#ended || to.destroyed) return
      const isLast = this.#end.direction === direction && (this.#end.after -= piece.length) <= 0
      to.write(isLast && !this.#end.whole ? piece.subarray(0, piece.length + this.#end.after) : piece)
      if (isLast) return this.#endsHere(direction)
      // Two turns of the loop: between them, who reads in this process has done so before there is more.
      await turn()
      await turn()
    }
    to.end()
  }

  /** Both sides are told that the other is gone; what they still say is not heard. */
  #endsHere(direction) {
    const { how } = this.#end
    this.#ended = true
    this.#cuts.push({ direction, how })
    for (const side of [this.#client, this.#door]) {
      if (how === 'rst') reset(side)
      else side.end()
    }
  }
}

/** One that says goodbye already, or is not yet there, cannot be reset: libuv refuses, and its handle is never closed. */
const reset = (socket) => (socket.writableEnded || socket.connecting ? socket.destroy() : socket.resetAndDestroy())

/** What a socket reads, to its end; a broken one has ended, too. */
async function* arrivals(socket) {
  try {
    yield* socket.iterator({ destroyOnReturn: false })
  } catch {
    // Told by its event.
  }
}

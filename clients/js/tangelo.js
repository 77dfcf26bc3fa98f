// A client for Tangelo servers, and for any other that speaks Pomelo's protocol over WebSocket.
//
// Read it from the bottom: `connect` makes a `Client`, which is what the application holds. A client
// lives as long as the application wants; under it one `Connection` after the other carries it.
// The first part turns packages and messages into bytes and back and knows nothing of sockets.

// ---------------------------------------------------------------------------------------- errors

/** Why a request has no answer. An answer that says `{code: 500}` is an answer, not an error. */
export class RequestError extends Error {
  name = 'RequestError'

  /**
   * @param {'offline' | 'lost' | 'timeout' | 'closed'} code
   * @param {string} route
   */
  constructor(code, route) {
    super(`${route}: ${REQUEST_ERRORS[code]}`)
    this.code = code
    this.route = route
  }
}

const REQUEST_ERRORS = {
  offline: 'not connected, the request was not sent',
  lost: 'the connection went before the answer, the request may have run',
  timeout: 'no answer in time, the request may have run',
  closed: 'the client was closed before the answer',
}

/** Why there is no connection, or no longer. `status` is the server's code when it refused. */
export class ConnectionError extends Error {
  name = 'ConnectionError'

  /**
   * @param {'unreachable' | 'timeout' | 'refused' | 'protocol' | 'silent'} code
   * @param {string} message
   * @param {number} [status]
   */
  constructor(code, message, status) {
    super(message)
    this.code = code
    this.status = status
  }
}

const protocolError = (message) => new ConnectionError('protocol', `bad bytes from the server: ${message}`)

// ----------------------------------------------------------------------------------------- bytes

const PackageType = { HANDSHAKE: 1, HANDSHAKE_ACK: 2, HEARTBEAT: 3, DATA: 4, KICK: 5 }
const MessageType = { REQUEST: 0, NOTIFY: 1, RESPONSE: 2, PUSH: 3 }

const VERSION = '0.1.0'
const HEADER = 4
const MAX_BODY = 2 ** 24 - 1
const MAX_ROUTE = 255
const MAX_ID = 2 ** 31 - 1
const MAX_ID_BYTES = 5
const EMPTY = new Uint8Array(0)

const utf8 = new TextEncoder()
const text = new TextDecoder('utf-8', { fatal: true })

function encodePackage(type, body = EMPTY) {
  if (body.length > MAX_BODY) throw new RangeError(`a message of ${body.length} bytes is too long for one package`)
  const bytes = new Uint8Array(HEADER + body.length)
  bytes.set([type, body.length >> 16, body.length >> 8, body.length])
  bytes.set(body, HEADER)
  return bytes
}

/** One WebSocket message may carry several packages. */
function* decodePackages(bytes) {
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < HEADER) throw protocolError('a package ends within its header')
    const type = bytes[at]
    const length = (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
    at += HEADER
    if (bytes.length - at < length) throw protocolError('a package is shorter than it says')
    yield { type, body: bytes.subarray(at, at + length) }
    at += length
  }
}

function encodeMessage(type, id, route, body) {
  const json = JSON.stringify(body)
  if (json === undefined) throw new TypeError(`${route}: a body must be something JSON can say`)
  const routeBytes = utf8.encode(route)
  if (routeBytes.length > MAX_ROUTE) throw new RangeError(`a route of ${routeBytes.length} bytes is longer than ${MAX_ROUTE}`)
  const head = [type << 1]
  if (type === MessageType.REQUEST) pushVarint(head, id)
  head.push(routeBytes.length)
  return concat([head, routeBytes, utf8.encode(json)])
}

function decodeMessage(bytes) {
  if (bytes.length === 0) throw protocolError('an empty message')
  const flag = bytes[0]
  const type = (flag >> 1) & 7
  if (type === MessageType.RESPONSE) {
    const { value: id, next } = readVarint(bytes, 1)
    return { type, id, body: parseJson(bytes.subarray(next)) }
  }
  if (type !== MessageType.PUSH) throw protocolError(`a message of type ${type}`)
  // The handshake of this client asks for no route dictionary, so there is none to look it up in.
  if (flag & 1) throw protocolError('a compressed route')
  const start = 2
  const end = start + bytes[1]
  if (!(end <= bytes.length)) throw protocolError('a message ends within its route')
  return { type, route: decodeText(bytes.subarray(start, end)), body: parseJson(bytes.subarray(end)) }
}

function pushVarint(bytes, value) {
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  bytes.push(value)
}

function readVarint(bytes, at) {
  let value = 0
  for (let i = 0; i < MAX_ID_BYTES && at + i < bytes.length; i++) {
    // Not `<<`: its result is signed, and an id reaches bit 31.
    value += (bytes[at + i] & 127) * 2 ** (7 * i)
    if (bytes[at + i] < 128) return { value, next: at + i + 1 }
  }
  throw protocolError('a message id without end')
}

function concat(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function decodeText(bytes) {
  try {
    return text.decode(bytes)
  } catch {
    throw protocolError('text that is not UTF-8')
  }
}

function parseJson(bytes) {
  if (bytes.length === 0) return undefined
  const json = decodeText(bytes)
  try {
    return JSON.parse(json)
  } catch {
    throw protocolError('a body that is not JSON')
  }
}

/** Ids go round; one that is still waiting for its answer is passed over. */
function nextId(last, waiting) {
  let id = last
  do id = (id % MAX_ID) + 1
  while (waiting.has(id))
  return id
}

/** @internal For this package's own tests; not part of the interface. */
export const wire = { VERSION, encodePackage, decodePackages, encodeMessage, decodeMessage, nextId, PackageType, MessageType, MAX_ID }

// ------------------------------------------------------------------------------------ connection

/** Runs `job` when all that waits for promises settled by now has run. */
const afterPromises =
  globalThis.setImmediate ??
  ((job) => {
    const { port1, port2 } = new MessageChannel()
    port2.onmessage = () => {
      port1.close()
      job()
    }
    port1.postMessage(null)
  })

/**
 * One WebSocket, from the handshake to its end.
 *
 * `ready` resolves with the server's handshake answer or rejects with a `ConnectionError`. Only a
 * connection that became ready calls its owner: `onmessage(message)`, `onkick(body)`, and at last
 * `onend(error)` once, where `error` is undefined if the socket was simply closed.
 */
class Connection {
  #socket
  #owner
  #answer
  #settle
  #connectTimer
  #heartbeatTimer
  #watchdog
  #lastHeard = 0
  #ended = false
  /** What arrived and was not handed out yet: packages, and the end. */
  #incoming = []
  #paused = false

  constructor(url, { WebSocket, user, connectTimeout }, owner) {
    this.#owner = owner
    this.ready = new Promise((resolve, reject) => (this.#settle = { resolve, reject }))
    this.#connectTimer = setTimeout(() => {
      this.end(new ConnectionError('timeout', `no handshake with ${url} within ${connectTimeout} ms`))
    }, connectTimeout)

    const socket = new WebSocket(url)
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => this.#sendJson(PackageType.HANDSHAKE, { sys: { type: 'tangelo-js', version: VERSION }, user })
    socket.onmessage = (event) => this.#arrived(event.data)
    socket.onclose = () => this.#enqueue(() => this.end(this.#answer ? undefined : new ConnectionError('unreachable', `cannot connect to ${url}`)))
    // A close event follows every error event, and the error event says nothing a program could use.
    socket.onerror = () => {}
  }

  send(type, body) {
    if (!this.#ended) this.#socket.send(encodePackage(type, body))
  }

  end(error) {
    if (this.#ended) return
    this.#ended = true
    this.#incoming = []
    clearTimeout(this.#connectTimer)
    clearTimeout(this.#heartbeatTimer)
    clearTimeout(this.#watchdog)
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null
    this.#socket.close()
    if (this.#answer) this.#owner.onend(error)
    else this.#settle.reject(error ?? new ConnectionError('unreachable', 'closed before the handshake'))
  }

  #sendJson(type, value) {
    this.send(type, utf8.encode(JSON.stringify(value)))
  }

  #arrived(data) {
    this.#lastHeard = performance.now()
    try {
      if (typeof data === 'string') throw protocolError('a text frame')
      for (const { type, body } of decodePackages(new Uint8Array(data))) {
        this.#enqueue(() => this.#handle(type, body))
      }
    } catch (error) {
      this.#enqueue(() => this.end(error))
    }
  }

  /**
   * A reply is a promise and a push is a call: handed out in one go, a push that came after a reply
   * would overtake whoever awaits that reply. So what follows a reply waits until the promises ran.
   */
  #enqueue(step) {
    if (this.#ended) return
    this.#incoming.push(step)
    if (!this.#paused) this.#drain()
  }

  #drain() {
    this.#paused = false
    while (this.#incoming.length > 0 && !this.#paused) this.#run(this.#incoming.shift())
  }

  /** Nothing the server sends may throw out of a socket's callback: it ends this connection instead. */
  #run(step) {
    try {
      step()
    } catch (error) {
      this.end(error)
    }
  }

  #pause() {
    this.#paused = true
    afterPromises(() => this.#drain())
  }

  #handle(type, body) {
    if (!this.#answer) return this.#handshake(type, body)
    if (type === PackageType.DATA) return this.#message(decodeMessage(body))
    if (type === PackageType.HEARTBEAT) return this.#heartbeat()
    if (type === PackageType.KICK) return this.#owner.onkick(parseJson(body))
    throw protocolError(`a package of type ${type}`)
  }

  #message(message) {
    this.#owner.onmessage(message)
    if (message.type === MessageType.RESPONSE) this.#pause()
  }

  #handshake(type, body) {
    if (type !== PackageType.HANDSHAKE) throw protocolError(`a package of type ${type} before the handshake`)
    const answer = parseJson(body)
    if (answer?.code !== 200) {
      throw new ConnectionError('refused', `the server refused the handshake with code ${answer?.code}`, answer?.code)
    }
    this.#answer = answer
    clearTimeout(this.#connectTimer)
    this.send(PackageType.HANDSHAKE_ACK)
    this.#watch()
    this.#settle.resolve(answer)
    this.#pause()
  }

  get #interval() {
    return (this.#answer.sys?.heartbeat ?? 0) * 1000
  }

  /** The server only ever answers heartbeats, its answer to the ACK being the first: we keep the time. */
  #heartbeat() {
    if (!this.#interval || this.#heartbeatTimer) return
    this.#heartbeatTimer = setTimeout(() => {
      this.#heartbeatTimer = undefined
      this.send(PackageType.HEARTBEAT)
    }, this.#interval)
  }

  /** Gives the server up when nothing at all has come from it for two intervals. */
  #watch() {
    if (!this.#interval) return
    const patience = 2 * this.#interval
    const silence = performance.now() - this.#lastHeard
    if (silence >= patience) return this.end(new ConnectionError('silent', `nothing from the server for ${patience} ms`))
    this.#watchdog = setTimeout(() => this.#watch(), patience - silence)
  }
}

// ---------------------------------------------------------------------------------------- client

const DEFAULTS = { timeout: 30_000, connectTimeout: 10_000, reconnect: false }
const RECONNECT_DEFAULTS = { initialDelay: 500, maxDelay: 10_000, attempts: Infinity }

/** Listeners by name. One that throws is reported and does not keep the others from being called. */
class Listeners {
  #byName = new Map()

  add(name, listener) {
    // A wrapper of its own for every call, so that adding a function twice and removing it once works.
    const entry = { listener }
    const entries = this.#byName.get(name) ?? new Set()
    this.#byName.set(name, entries.add(entry))
    return () => void entries.delete(entry)
  }

  call(name, value) {
    for (const { listener } of [...(this.#byName.get(name) ?? [])]) {
      try {
        listener(value)
      } catch (error) {
        console.error(`a listener for "${name}" threw`, error)
      }
    }
  }
}

/** What `connect` resolves with. */
export class Client {
  #url
  #options
  #backoff
  #connection
  #connected = false
  #closed = false
  #retryTimer
  #user
  #lastId = 0
  #waiting = new Map()
  #pushes = new Listeners()
  #events = new Listeners()

  /** Use `connect`. */
  constructor(url, options) {
    this.#url = url
    this.#options = { WebSocket: globalThis.WebSocket, ...DEFAULTS, ...options }
    if (!this.#options.WebSocket) throw new TypeError('there is no WebSocket here: pass one as an option')
    const { reconnect } = this.#options
    this.#backoff = reconnect && { ...RECONNECT_DEFAULTS, ...(reconnect === true ? {} : reconnect) }
  }

  /** @internal */
  static async connect(url, options) {
    const client = new Client(url, options)
    await client.#dial()
    return client
  }

  get connected() {
    return this.#connected
  }

  /** What the server put under `user` in the handshake, if anything. */
  get user() {
    return this.#user
  }

  async request(route, body = {}, { timeout = this.#options.timeout } = {}) {
    if (!this.#connected) throw new RequestError(this.#closed ? 'closed' : 'offline', route)
    const id = nextId(this.#lastId, this.#waiting)
    const message = encodeMessage(MessageType.REQUEST, id, route, body)
    this.#connection.send(PackageType.DATA, message)
    this.#lastId = id
    return new Promise((resolve, reject) => {
      const deadline = timeout > 0 && timeout < Infinity ? setTimeout(() => this.#fail(id, 'timeout'), timeout) : undefined
      this.#waiting.set(id, { route, resolve, reject, deadline })
    })
  }

  notify(route, body = {}) {
    const message = encodeMessage(MessageType.NOTIFY, 0, route, body)
    if (this.#connected) this.#connection.send(PackageType.DATA, message)
    return this.#connected
  }

  on(route, listener) {
    return this.#pushes.add(route, listener)
  }

  when(event, listener) {
    return this.#events.add(event, listener)
  }

  close() {
    this.#finish('closed')
  }

  async #dial() {
    const connection = new Connection(this.#url, this.#options, {
      onmessage: (message) => this.#receive(message),
      onkick: (body) => this.#kicked(body),
      onend: (error) => this.#lost(error),
    })
    this.#connection = connection
    const answer = await connection.ready
    // `close` may have been called while the promise was on its way here.
    if (this.#closed) return
    this.#user = answer.user
    this.#connected = true
  }

  #receive(message) {
    if (message.type === MessageType.PUSH) return this.#pushes.call(message.route, message.body)
    this.#take(message.id)?.resolve(message.body)
  }

  #kicked(body) {
    this.#events.call('kick', { reason: undefined, ...body })
    this.#finish('kicked')
  }

  #lost(error) {
    if (this.#closed) return
    this.#connected = false
    this.#connection = undefined
    this.#failAll('lost')
    if (error) this.#events.call('error', error)
    this.#retry(1)
  }

  #retry(attempt) {
    // A listener may have closed the client a moment ago.
    if (this.#closed) return
    if (!this.#backoff || attempt > this.#backoff.attempts) return this.#finish('lost')
    const { initialDelay, maxDelay } = this.#backoff
    const full = Math.min(maxDelay, initialDelay * 2 ** (attempt - 1))
    // Jitter, so that the clients of a server that restarts do not all come back at once.
    const delay = full * (0.5 + Math.random() / 2)
    this.#retryTimer = setTimeout(() => this.#redial(attempt), delay)
    this.#events.call('reconnecting', { attempt, delay })
  }

  async #redial(attempt) {
    try {
      await this.#dial()
    } catch (error) {
      if (this.#closed) return
      this.#events.call('error', error)
      // A server that says no will say it again.
      return error.code === 'refused' ? this.#finish('refused') : this.#retry(attempt + 1)
    }
    if (this.#connected) this.#events.call('reconnect', { attempt })
  }

  #finish(reason) {
    if (this.#closed) return
    this.#closed = true
    this.#connected = false
    clearTimeout(this.#retryTimer)
    this.#connection?.end()
    this.#failAll(reason === 'closed' ? 'closed' : 'lost')
    this.#events.call('close', { reason })
  }

  #take(id) {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    clearTimeout(waiting?.deadline)
    return waiting
  }

  #fail(id, code) {
    const { route, reject } = this.#take(id)
    reject(new RequestError(code, route))
  }

  #failAll(code) {
    for (const id of [...this.#waiting.keys()]) this.#fail(id, code)
  }
}

/**
 * Connects and shakes hands. Rejects with a `ConnectionError` if that fails; only connections that
 * stood once are tried again.
 */
export const connect = (url, options) => Client.connect(url, options)

// A client for Tangelo servers, and for any other that speaks Pomelo's protocol over WebSocket.
//
// Read it from the bottom: `connect` makes a `Client`, which is what the application holds. A client
// lives as long as the application wants; under it one `Connection` after the other carries it, and
// where the server can, a `Session` goes on from one to the next.
// The first part turns packages and messages into bytes and back and knows nothing of sockets.
//
// Nothing here needs a page: timers, promises and something that opens sockets are all it takes, and
// what else a platform has is used if it is there. `typeof` asks for it, as in some containers what
// there is lies in no global object.

// ---------------------------------------------------------------------------------------- errors

/** Why a request has no answer. An answer that says `{code: 500}` is an answer, not an error. */
export class RequestError extends Error {
  name = 'RequestError'

  /**
   * @param {'offline' | 'full' | 'lost' | 'timeout' | 'closed'} code
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
  full: 'too much waits for the server already, the request was not sent',
  lost: 'the connection went before the answer, the request may have run',
  timeout: 'no answer in time, the request may have run',
  closed: 'the client was closed before the answer',
}

/** Why there is no connection, or no longer. When the server refused, `status` is its code and `answer` all it said. */
export class ConnectionError extends Error {
  name = 'ConnectionError'

  /**
   * @param {'unreachable' | 'timeout' | 'refused' | 'protocol' | 'silent'} code
   * @param {string} message
   * @param {{ code?: number }} [answer]
   */
  constructor(code, message, answer) {
    super(message)
    this.code = code
    this.status = answer?.code
    this.answer = answer
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

const utf8 = typeof TextEncoder === 'undefined' ? { encode: encodeText } : new TextEncoder()
const text = typeof TextDecoder === 'undefined' ? { decode: decodeUtf8 } : new TextDecoder('utf-8', { fatal: true })

/** For platforms without a `TextEncoder`. */
function encodeText(string) {
  const escaped = encodeURIComponent(string)
  const bytes = []
  for (let at = 0; at < escaped.length; at++) {
    if (escaped[at] === '%') bytes.push(parseInt(escaped.slice(at + 1, (at += 2) + 1), 16))
    else bytes.push(escaped.charCodeAt(at))
  }
  return new Uint8Array(bytes)
}

/** For platforms without a `TextDecoder`; throws as that does. */
function decodeUtf8(bytes) {
  let escaped = ''
  for (const byte of bytes) escaped += byte < 16 ? `%0${byte.toString(16)}` : `%${byte.toString(16)}`
  return decodeURIComponent(escaped)
}

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
export const wire = { encodeText, decodeUtf8, encodeBase64, decodeBase64, VERSION, encodePackage, decodePackages, encodeMessage, decodeMessage, nextId, PackageType, MessageType, MAX_ID }

// ------------------------------------------------------------------------------- sockets of containers

/** The platform's own, or one made of what a container for mini-games and mini-programs has instead. */
function findWebSocket() {
  if (typeof WebSocket !== 'undefined') return WebSocket
  const containers = [
    typeof wx !== 'undefined' && wx,
    typeof tt !== 'undefined' && tt,
    typeof qq !== 'undefined' && qq,
    typeof swan !== 'undefined' && swan,
    typeof ks !== 'undefined' && ks,
    typeof qg !== 'undefined' && qg,
    typeof my !== 'undefined' && my,
    typeof dd !== 'undefined' && dd,
    typeof uni !== 'undefined' && uni,
  ]
  const container = containers.find((api) => typeof api?.connectSocket === 'function')
  return container && socketOf(container)
}

/** These take and give binary messages as text, in base64. */
const takesBase64 = (container) => (typeof my !== 'undefined' && container === my) || (typeof dd !== 'undefined' && container === dd)

/**
 * A `WebSocket` for containers that have none but a function that opens sockets:
 * `connect(url, { WebSocket: socketOf(wx) })`, or `socketOf(wx.connectSocket)`. What is called `wx`,
 * `tt`, `qq`, `swan`, `ks`, `qg`, `my`, `dd` or `uni` is found without that.
 */
export function socketOf(container, { base64 = takesBase64(container) } = {}) {
  const api = typeof container === 'function' ? { connectSocket: container } : container
  return class {
    #task
    #isOver = false

    constructor(url) {
      const opened = api.connectSocket({
        url,
        tcpNoDelay: true,
        // `my` gives a task to who asks for several sockets, `uni` to who gives it a function.
        multiple: true,
        success: () => {},
        fail: () => this.#over(),
      })
      if (typeof opened?.then === 'function') opened.then((task) => this.#take(task), () => this.#over())
      else this.#take(opened)
    }

    #take(opened) {
      const task = taskOf(opened, api)
      this.#task = task
      if (this.#isOver) return task.close()
      task.onOpen(() => this.onopen?.())
      task.onMessage((message) => !this.#isOver && this.onmessage?.({ data: dataOf(message) }))
      task.onClose(() => this.#over())
      // Where opening fails, some containers tell the error and no close.
      task.onError(() => this.#over())
    }

    /** Told once, and never before whoever has made the socket listens. */
    #over() {
      if (this.#isOver) return
      this.#isOver = true
      this.#task?.forget?.()
      Promise.resolve().then(() => this.onclose?.())
    }

    send(buffer) {
      const message = base64 ? { data: encodeBase64(new Uint8Array(buffer)), isBuffer: true } : { data: buffer }
      this.#task.send({ ...message, fail: () => this.#over() })
    }

    close() {
      this.#task?.close()
      this.#over()
    }
  }
}

/** What was opened, as a task; containers have three manners of it. */
function taskOf(opened, api) {
  if (typeof opened?.onOpen === 'function') {
    return {
      onOpen: (call) => opened.onOpen(call),
      onMessage: (call) => opened.onMessage(call),
      onClose: (call) => opened.onClose(call),
      onError: (call) => opened.onError(call),
      send: (message) => opened.send(message),
      close: () => opened.close({ fail: () => {} }),
    }
  }
  return typeof opened?.addEventListener === 'function' ? listenedTo(opened) : theOnly(api)
}

/** A socket in the web's manner. */
function listenedTo(socket) {
  socket.binaryType = 'arraybuffer'
  return {
    onOpen: (call) => socket.addEventListener('open', call),
    onMessage: (call) => socket.addEventListener('message', call),
    onClose: (call) => socket.addEventListener('close', call),
    onError: (call) => socket.addEventListener('error', call),
    send: ({ data }) => socket.send(data),
    close: () => socket.close(),
  }
}

/** The one socket a container has at a time, whose functions are the container's own. */
function theOnly(api) {
  const listeners = []
  const on = (event, call) => {
    listeners.push([event, call])
    api[`onSocket${event}`](call)
  }
  let isOpen = false
  return {
    onOpen: (call) => on('Open', () => ((isOpen = true), call())),
    onMessage: (call) => on('Message', call),
    // Before it is open, what closes is the one before it.
    onClose: (call) => on('Close', () => isOpen && call()),
    onError: (call) => on('Error', call),
    send: (message) => api.sendSocketMessage(message),
    close: () => api.closeSocket({ fail: () => {} }),
    forget: () => listeners.forEach(([event, call]) => api[`offSocket${event}`]?.(call)),
  }
}

/** The data of a message: a buffer, or text where the server has sent that. */
function dataOf(message) {
  // `my` puts the message of a task one level deeper.
  const { data, isBuffer } = message.data?.data === undefined ? message : message.data
  return isBuffer && typeof data === 'string' ? decodeBase64(data).buffer : data
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

function encodeBase64(bytes) {
  let encoded = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const three = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2]
    for (let i = 0; i < 4; i++) encoded += at + i > bytes.length ? '=' : BASE64[(three >> (18 - 6 * i)) & 63]
  }
  return encoded
}

function decodeBase64(encoded) {
  const digits = encoded.replace(/=+$/, '')
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4))
  for (let at = 0, bits = 0, next = 0; at < digits.length; at++) {
    bits = (bits << 6) | BASE64.indexOf(digits[at])
    if (at % 4 !== 0) bytes[next++] = bits >> (6 - 2 * (at % 4))
  }
  return bytes
}

// ------------------------------------------------------------------------------------ connection

/** Runs `job` when all that waits for promises settled by now has run. */
const afterPromises =
  typeof setImmediate !== 'undefined' ? setImmediate : typeof MessageChannel !== 'undefined' ? afterMessage : (job) => setTimeout(job, 0)

function afterMessage(job) {
  const { port1, port2 } = new MessageChannel()
  port2.onmessage = () => {
    port1.close()
    job()
  }
  port1.postMessage(null)
}

/** Milliseconds; of use for differences alone. */
const now = () => (typeof performance === 'undefined' ? Date : performance).now()

/** What a client says in a heartbeat to leave for good. */
const BYE = utf8.encode('bye')

/**
 * One WebSocket, from the handshake to its end.
 *
 * `ready` resolves with the server's handshake answer or rejects with a `ConnectionError`. Only a
 * connection that became ready calls its owner: `onmessage(message, bytes)`, `onkick(body)`,
 * `onheartbeat(body)`, and at last `onend(error)` once, where `error` is undefined if the socket was
 * simply closed. `heartbeat()` of the owner is the body of the heartbeats that are sent.
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

  constructor(url, { WebSocket, user, connectTimeout, resume }, owner) {
    this.#owner = owner
    const socket = new WebSocket(url)
    this.#socket = socket
    this.ready = new Promise((resolve, reject) => (this.#settle = { resolve, reject }))
    this.#connectTimer = setTimeout(() => {
      this.end(new ConnectionError('timeout', `no handshake with ${url} within ${connectTimeout} ms`))
    }, connectTimeout)

    socket.binaryType = 'arraybuffer'
    socket.onopen = () => this.#sendJson(PackageType.HANDSHAKE, { sys: { type: 'tangelo-js', version: VERSION, resume }, user })
    socket.onmessage = (event) => this.#arrived(event.data)
    socket.onclose = () => this.#enqueue(() => this.end(this.#answer ? undefined : new ConnectionError('unreachable', `cannot connect to ${url}`)))
    // A close event follows every error event, and the error event says nothing a program could use.
    socket.onerror = () => {}
  }

  send(type, body) {
    // A buffer, which every container takes; not every one takes a view of it.
    if (!this.#ended) this.#socket.send(encodePackage(type, body).buffer)
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
    this.#lastHeard = now()
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
    if (type === PackageType.DATA) return this.#message(decodeMessage(body), body.length)
    if (type === PackageType.HEARTBEAT) return this.#heartbeat(body)
    if (type === PackageType.KICK) return this.#owner.onkick(parseJson(body))
    throw protocolError(`a package of type ${type}`)
  }

  #message(message, length) {
    this.#owner.onmessage(message, length)
    if (message.type === MessageType.RESPONSE) this.#pause()
  }

  #handshake(type, body) {
    if (type !== PackageType.HANDSHAKE) throw protocolError(`a package of type ${type} before the handshake`)
    const answer = parseJson(body)
    if (answer?.code !== 200) {
      const words = typeof answer?.msg === 'string' ? `: ${answer.msg}` : ''
      throw new ConnectionError('refused', `the server refused the handshake with code ${answer?.code}${words}`, answer ?? undefined)
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
  #heartbeat(body) {
    if (body.length > 0) this.#owner.onheartbeat(body)
    if (!this.#interval || this.#heartbeatTimer) return
    this.#heartbeatTimer = setTimeout(() => {
      this.#heartbeatTimer = undefined
      this.send(PackageType.HEARTBEAT, this.#owner.heartbeat())
    }, this.#interval)
  }

  /** Gives the server up when nothing at all has come from it for two intervals. */
  #watch() {
    if (!this.#interval) return
    const patience = 2 * this.#interval
    const silence = now() - this.#lastHeard
    if (silence >= patience) return this.end(new ConnectionError('silent', `nothing from the server for ${patience} ms`))
    const due = now() + patience - silence
    this.#watchdog = setTimeout(() => {
      // A device that wakes up has its timers before its sockets: what came meanwhile is yet to be heard.
      if (now() - due > this.#interval) this.#lastHeard = now() - this.#interval
      this.#watch()
    }, patience - silence)
  }
}

// --------------------------------------------------------------------------------------- session

/**
 * What goes on from one connection to the next: both sides count the messages of each direction, and
 * keep what the other may not have.
 */
class Session {
  #token
  #window
  #received = 0
  #unreported = 0
  /** Messages the server may not have taken: `{ bytes, id, sent }`. */
  #kept = []
  /** How many came before the first of them. */
  #first = 0
  #bytes = 0
  #asked = 0
  #most

  constructor({ token, window }, most) {
    this.#token = token
    this.#window = window
    this.#most = most
  }

  /** What the handshake says of it. */
  get wish() {
    return { token: this.#token, received: this.#received }
  }

  get receipt() {
    this.#unreported = 0
    return utf8.encode(String(this.#received))
  }

  hasRoom(bytes) {
    return this.#bytes + bytes.length <= this.#most
  }

  /** Keeps a message until the server has it. Whether the server should be asked how far it is. */
  keep(bytes, id, sent) {
    this.#kept.push({ bytes, id, sent })
    this.#bytes += bytes.length
    this.#asked += bytes.length
    if (this.#asked < this.#most / 4) return false
    this.#asked = 0
    return true
  }

  /** A message was heard. Whether the server should know at once, as it keeps no more than that. */
  heard(length) {
    this.#received += 1
    this.#unreported += length
    return this.#unreported > this.#window / 4
  }

  /** The server has taken so many. */
  taken(count) {
    while (this.#first < count && this.#kept.length > 0) {
      this.#bytes -= this.#kept.shift().bytes.length
      this.#first += 1
    }
  }

  /** It goes on: returns what the server has not taken, in order. */
  resume({ token, window, received, gap = 0 }) {
    this.#token = token
    this.#window = window
    this.#received += gap
    this.taken(received)
    for (const kept of this.#kept) kept.sent = true
    return this.#kept.map(({ bytes }) => bytes)
  }

  /** The requests that the server has not taken, and whether they were ever sent. */
  get untaken() {
    return new Map(this.#kept.filter(({ id }) => id).map(({ id, sent }) => [id, sent]))
  }
}

const NO_SESSION = { untaken: new Map() }

// ---------------------------------------------------------------------------------------- client

const DEFAULTS = { timeout: 30_000, connectTimeout: 10_000, reconnect: false, maxBuffered: 2 ** 20 }
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
  #session
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
    this.#options = { WebSocket: findWebSocket(), resume: Boolean(options?.reconnect), ...DEFAULTS, ...options }
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
    const id = nextId(this.#lastId, this.#waiting)
    const message = encodeMessage(MessageType.REQUEST, id, route, body)
    const refused = this.#say(message, id)
    if (refused) throw new RequestError(refused, route)
    this.#lastId = id
    return new Promise((resolve, reject) => {
      const deadline = timeout > 0 && timeout < Infinity ? setTimeout(() => this.#fail(id, 'timeout'), timeout) : undefined
      this.#waiting.set(id, { route, resolve, reject, deadline })
    })
  }

  notify(route, body = {}) {
    return !this.#say(encodeMessage(MessageType.NOTIFY, 0, route, body))
  }

  /** Sends a message, or keeps it until that can be done. Returns why not, if neither. */
  #say(message, id) {
    if (this.#closed) return 'closed'
    if (!this.#connected && !this.#session) return 'offline'
    if (message.length > MAX_BODY) throw new RangeError(`a message of ${message.length} bytes is too long for one package`)
    if (this.#session && !this.#session.hasRoom(message)) return 'full'
    const asks = this.#session?.keep(message, id, this.#connected)
    if (this.#connected) this.#connection.send(PackageType.DATA, message)
    if (asks) this.#report()
    return undefined
  }

  /** Says how many messages were heard; the server answers how many it has taken. */
  #report() {
    if (this.#connected) this.#connection.send(PackageType.HEARTBEAT, this.#session.receipt)
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
    const resume = this.#session?.wish ?? (this.#options.resume || undefined)
    const connection = new Connection(this.#url, { ...this.#options, resume }, {
      onmessage: (message, length) => this.#receive(message, length),
      onkick: (body) => this.#kicked(body),
      onheartbeat: (body) => this.#session?.taken(Number(decodeText(body))),
      heartbeat: () => this.#session?.receipt,
      onend: (error) => this.#lost(error),
    })
    this.#connection = connection
    const answer = await connection.ready
    // `close` may have been called while the promise was on its way here.
    if (this.#closed) return
    this.#user = answer.user
    this.#connected = true
    return this.#enter(answer.sys?.resume)
  }

  /** What the server says of the session; returns what happened to it. */
  #enter(resume) {
    const isResumed = this.#session !== undefined && resume?.received !== undefined
    if (!isResumed) {
      this.#failAll('lost')
      const { token, window } = resume ?? {}
      this.#session = typeof token === 'string' ? new Session({ token, window: window || 1 }, this.#options.maxBuffered) : undefined
      return { lost: resume?.lost }
    }
    const untaken = this.#session.resume(resume)
    const pending = new Set(resume.pending)
    const toBeSent = this.#session.untaken
    for (const message of untaken) this.#connection.send(PackageType.DATA, message)
    if (resume.gap) {
      // What was taken and is not to be answered any more was answered in the gap.
      for (const id of [...this.#waiting.keys()]) {
        if (!pending.has(id) && !toBeSent.has(id)) this.#fail(id, 'lost')
      }
    }
    return { resumed: true, gap: resume.gap }
  }

  #receive(message, length) {
    if (this.#session?.heard(length)) this.#report()
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
    // Bad bytes would only come again.
    if (!this.#backoff || error?.code === 'protocol') this.#session = undefined
    if (!this.#session) this.#failAll('lost')
    if (error) this.#events.call('error', error)
    this.#retry(1)
  }

  #retry(attempt) {
    // A listener may have closed the client a moment ago.
    if (this.#closed) return
    if (!this.#backoff || attempt > this.#backoff.attempts) return this.#finish('lost')
    const { initialDelay, maxDelay } = this.#backoff
    // Anywhere in a window that grows, so that the clients of a server that restarts do not all come back at once.
    const delay = Math.random() * Math.min(maxDelay, initialDelay * 2 ** (attempt - 1))
    this.#retryTimer = setTimeout(() => this.#redial(attempt), delay)
    this.#events.call('reconnecting', { attempt, delay })
  }

  async #redial(attempt) {
    let entered
    try {
      entered = await this.#dial()
    } catch (error) {
      if (this.#closed) return
      this.#events.call('error', error)
      // A server that says no will say it again.
      return error.code === 'refused' ? this.#finish('refused') : this.#retry(attempt + 1)
    }
    if (!entered) return
    if (entered.resumed) this.#events.call('resumed', { attempt })
    else this.#events.call('reconnect', entered.lost ? { attempt, lost: entered.lost } : { attempt })
    if (entered.gap) this.#events.call('gap', { lost: entered.gap })
  }

  #finish(reason) {
    if (this.#closed) return
    this.#closed = true
    if (this.#connected && this.#session && reason === 'closed') this.#connection.send(PackageType.HEARTBEAT, BYE)
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
    const { untaken } = this.#session ?? NO_SESSION
    for (const id of [...this.#waiting.keys()]) {
      const wasNeverSent = code === 'lost' && untaken.get(id) === false
      this.#fail(id, wasNeverSent ? 'offline' : code)
    }
  }
}

/**
 * Connects and shakes hands. Rejects with a `ConnectionError` if that fails; only connections that
 * stood once are tried again.
 */
export const connect = (url, options) => Client.connect(url, options)

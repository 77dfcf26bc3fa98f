// What mini-games and mini-programs run in, as far as a client can tell: the language, timers, and a
// function of the container's that opens sockets. No page, no `WebSocket`, no `globalThis`, no
// `TextEncoder`, `URL`, `crypto` or `performance`. The sockets themselves are real.
import { readFileSync } from 'node:fs'
import vm from 'node:vm'

const source = readFileSync(new URL('../tangelo.js', import.meta.url), 'utf8').replaceAll(/^export /gm, '')

export const MISSING = [
  'window', 'document', 'navigator', 'globalThis', 'global', 'process', 'require', 'self',
  'WebSocket', 'TextEncoder', 'TextDecoder', 'URL', 'crypto', 'performance', 'atob', 'Buffer',
  'MessageChannel', 'setImmediate', 'queueMicrotask', 'EventTarget', 'Blob', 'fetch', 'structuredClone',
]

/** Each container: its variable, whether the client knows it, and how it opens sockets. */
const CONTAINERS = {
  // A task for each socket; binary messages are buffers, and nothing else is taken for one.
  wx: { isKnown: true, api: (open) => ({ connectSocket: (options) => task(open(options), buffers) }) },
  tt: { isKnown: true, api: (open) => ({ connectSocket: (options) => task(open(options), buffers) }) },
  // A task for who asks for several; binary messages are base64, and what is heard lies deeper.
  my: {
    isKnown: true,
    api: (open) => ({ connectSocket: (options) => options.multiple && task(open(options), base64, (message) => ({ data: message })) }),
  },
  // One socket at a time.
  dd: { isKnown: true, api: (open) => onlySocket(open, base64) },
  // A socket in the web's manner.
  uni: { isKnown: true, api: (open) => ({ connectSocket: (options) => webSocket(open(options)) }) },
  // A task that comes later, in a container the client does not know.
  later: { isKnown: false, api: (open) => ({ connectSocket: async (options) => task(open(options), buffers) }) },
}

export const containers = Object.keys(CONTAINERS)

/** The client as it is within this container: `{ connect, missing }`. */
export function inContainer(name, WebSocket) {
  const context = vm.createContext({ setTimeout, clearTimeout })
  const inside = vm.runInContext('({ copy: (bytes) => new Uint8Array(bytes).buffer, isBuffer: (data) => data instanceof ArrayBuffer })', context)
  vm.runInContext('delete globalThis.globalThis', context)
  const { isKnown, api } = CONTAINERS[name]
  const open = (options) => {
    const socket = new WebSocket(options.url)
    socket.binaryType = 'arraybuffer'
    socket.on('error', () => {})
    return Object.assign(socket, { inside })
  }
  // Handed in as a parameter, as containers do: it lies in no global object.
  const module = `(function (${name}) { ${source}; return { connect, socketOf, has: (name) => eval('typeof ' + name) !== 'undefined' } })`
  const container = api(open)
  const { connect, socketOf, has } = vm.runInContext(module, context)(container)
  return {
    connect: (url, options) => connect(url, isKnown ? options : { WebSocket: socketOf(container), ...options }),
    has: MISSING.filter(has),
  }
}

// What a message is in each of them: how it is heard, and what is taken for one to send.

const buffers = {
  heard: (data, { copy }) => ({ data: copy(data) }),
  said: ({ data }, { isBuffer }) => isBuffer(data) && data,
}

const base64 = {
  heard: (data) => ({ data: Buffer.from(data).toString('base64'), isBuffer: true }),
  said: ({ data, isBuffer }) => isBuffer === true && typeof data === 'string' && Buffer.from(data, 'base64'),
}

const heard = (data, isBinary, binary, { inside }) => (isBinary ? binary.heard(data, inside) : { data: data.toString() })

function say(socket, { said }, options) {
  const data = said(options, socket.inside)
  if (!data || socket.readyState !== socket.OPEN) return options.fail?.({ errMsg: 'sendSocketMessage:fail' })
  socket.send(Buffer.from(new Uint8Array(data)))
}

function task(socket, binary, wrap = (message) => message) {
  return {
    onOpen: (call) => socket.on('open', () => call({})),
    onMessage: (call) => socket.on('message', (data, isBinary) => call(wrap(heard(data, isBinary, binary, socket)))),
    onClose: (call) => socket.on('close', (code) => call({ code })),
    onError: (call) => socket.on('error', ({ message }) => call({ errMsg: message })),
    send: (options) => say(socket, binary, options),
    close: () => socket.close(),
  }
}

function webSocket(socket) {
  return {
    addEventListener: (event, call) =>
      socket.addEventListener(event, ({ data }) => call({ data: typeof data === 'string' ? data : data && socket.inside.copy(data) })),
    send: (data) => say(socket, buffers, { data }),
    close: () => socket.close(),
  }
}

function onlySocket(open, binary) {
  let socket
  const listeners = { Open: new Set(), Message: new Set(), Close: new Set(), Error: new Set() }
  const tell = (event, message) => listeners[event].forEach((call) => call(message))
  const api = {
    connectSocket(options) {
      socket = open(options)
      socket.on('open', () => tell('Open', {}))
      socket.on('message', (data, isBinary) => tell('Message', heard(data, isBinary, binary, socket)))
      socket.on('close', () => tell('Close', {}))
      socket.on('error', () => tell('Error', {}))
    },
    sendSocketMessage: (options) => say(socket, binary, options),
    closeSocket: () => socket.close(),
  }
  for (const [event, calls] of Object.entries(listeners)) {
    api[`onSocket${event}`] = (call) => calls.add(call)
    api[`offSocket${event}`] = (call) => calls.delete(call)
  }
  return api
}

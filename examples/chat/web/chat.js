// The page: two forms, a log and the list of those who are here. All text goes in as text, never as HTML.
import { Refused, enterRoom } from './room.js'

const EVERYONE = '*'
const MOST_LINES = 500

const $ = (id) => document.getElementById(id)
const room = { name: '', rid: '', client: undefined, onpush: { onChat, onAdd, onLeave }, onstate }
const users = new Set()
let target = EVERYONE

// ----------------------------------------------------------------------------------------- enter

$('entry').addEventListener('submit', async (event) => {
  event.preventDefault()
  room.name = $('name').value.trim()
  room.rid = $('room').value.trim()
  const wrong = refusal(room)
  $('entry-error').textContent = wrong ?? ''
  if (wrong) return

  $('enter').disabled = true
  setStatus('connecting', 'Connecting…')
  try {
    await enterRoom(room)
  } catch (error) {
    setStatus('offline', 'Not connected')
    $('entry-error').textContent =
      error instanceof Refused ? error.message : 'The server cannot be reached. Is it running?'
  } finally {
    $('enter').disabled = false
  }
})

/** A star joins name and room into a uid on the server, and alone it means everyone. */
function refusal({ name, rid }) {
  if (!name || !rid) return 'Please enter a name and a room.'
  if (name.includes('*') || rid.includes('*')) return 'Names and rooms cannot contain a star (*).'
}

function onstate(state, names) {
  if (state === 'kicked') return setStatus('lost', 'The server has ended this session. Reload the page to come back.')
  if (state === 'lost') return setStatus('lost', 'Connection lost. Trying to come back…')
  const again = !$('chat').hidden
  users.clear()
  for (const name of names) users.add(name)
  setStatus('online', `Connected as ${room.name}`)
  addEvent(again ? 'You are back.' : 'You entered the room.')
  setSendError('')
  showChat()
  showUsers()
}

function showChat() {
  $('room-title').textContent = `Room ${room.rid}`
  document.title = `${room.rid} · Tangelo chat`
  $('entry').hidden = true
  if (!$('chat').hidden) return
  $('chat').hidden = false
  $('message').focus()
}

function setStatus(state, text) {
  $('status').dataset.state = state
  $('status').textContent = text
}

// ------------------------------------------------------------------------------------------ send

$('say').addEventListener('submit', async (event) => {
  event.preventDefault()
  const content = $('message').value
  const to = target
  if (!content.trim()) return
  if (!isHere(to)) return setSendError(`${to} has left the room. Choose somebody else; nothing was sent.`)

  setSendError('')
  $('send').disabled = true
  const failure = await send(content, to)
  $('send').disabled = false
  $('message').focus()
  if (failure) return setSendError(failure)
  $('message').value = ''
  // The server sends a private line only to the one it is for.
  if (to !== EVERYONE) addLine({ from: room.name, msg: content, target: to })
})

/** Returns what to tell the user if the message may not have arrived. */
async function send(content, to) {
  try {
    const { code } = await room.client.request('chat.chatHandler.send', { rid: room.rid, content, from: room.name, target: to })
    return code >= 400 ? (ANSWERS[code] ?? `The message was not sent (code ${code}).`) : undefined
  } catch (error) {
    return NO_ANSWER[error.code] ?? `The message was not sent: ${error.message}`
  }
}

const ANSWERS = {
  404: 'Nobody of that name is in the room any more. Your message was not sent.',
  429: 'That was too much at once. Please wait a moment and send it again.',
  502: 'The room’s server went away just now. Your message may not have arrived.',
  503: 'The room’s server is not there at the moment. Your message was not sent; please try again.',
  504: 'The room’s server took too long. Your message may not have arrived.',
}

const NO_ANSWER = {
  offline: 'Not connected at the moment. Your message was not sent.',
  closed: 'Not connected at the moment. Your message was not sent.',
  lost: 'The connection went just now. Your message may not have arrived.',
  timeout: 'No answer in time. Your message may not have arrived.',
}

function setSendError(text) {
  $('send-error').textContent = text
}

// ---------------------------------------------------------------------------------------- pushes

function onChat(line) {
  addLine(line)
}

// Both can tell what is known already: somebody may enter while our own entry is on its way.

function onAdd({ user }) {
  if (users.has(user)) return
  users.add(user)
  addEvent(`${user} came in.`)
  showUsers()
}

function onLeave({ user }) {
  if (!users.delete(user)) return
  addEvent(`${user} left.`)
  showUsers()
}

// ------------------------------------------------------------------------------------- the users

function isHere(name) {
  return name === EVERYONE || users.has(name)
}

function showUsers() {
  const focused = $('users').contains(document.activeElement)
  const others = [...users].filter((name) => name !== room.name).sort((a, b) => a.localeCompare(b))
  const choices = [EVERYONE, ...others]
  // Who leaves stays chosen: a line meant for one must not go to everyone because that one just left.
  if (!isHere(target)) choices.push(target)
  $('users').replaceChildren($('users').querySelector('legend'), ...choices.map(choice), ownName())
  $('message-label').textContent = `Message to ${label(target)}`
  if (focused) $('users').querySelector(':checked').focus()
}

function choice(name) {
  const radio = document.createElement('input')
  radio.type = 'radio'
  radio.name = 'target'
  radio.value = name
  radio.checked = name === target
  radio.addEventListener('change', () => {
    target = name
    setSendError('')
    showUsers()
  })
  const line = element('label', isHere(name) ? '' : 'gone')
  line.append(radio, element('span', '', label(name)))
  return line
}

function ownName() {
  return element('p', 'me', `${room.name} (you)`)
}

function label(name) {
  return name === EVERYONE ? 'everyone' : name
}

// --------------------------------------------------------------------------------------- the log

function addLine({ from, msg, target }) {
  const isPrivate = target !== EVERYONE
  const who = isPrivate ? `${from} → ${target === room.name ? 'you' : target}` : from
  append(isPrivate ? 'private' : 'line', element('b', '', who), element('span', '', msg))
}

function addEvent(text) {
  append('event', element('span', '', text))
}

function append(kind, ...parts) {
  const log = $('log')
  // Who has scrolled up to read is not pulled down by what comes in.
  const following = log.scrollHeight - log.scrollTop - log.clientHeight < 40
  const line = element('li', kind)
  line.append(element('time', '', new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })), ...parts)
  log.append(line)
  while (log.children.length > MOST_LINES) log.firstChild.remove()
  if (following) log.scrollTop = log.scrollHeight
}

function element(tag, className, text = '') {
  const node = document.createElement(tag)
  node.className = className
  node.textContent = text
  return node
}

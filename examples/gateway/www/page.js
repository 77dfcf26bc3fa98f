'use strict'
const element = (id) => document.getElementById(id)

/** Asks the gateway; what a service or the gateway refuses has a negative retCode. */
async function ask(path, options) {
  const response = await fetch(path, options)
  return response.json()
}

async function show() {
  const me = await ask('/account/me')
  const isIn = me.retCode === 0
  element('who').textContent = isIn ? `${me.userName} is here` : 'Nobody has signed in'
  element('sign-in').hidden = isIn
  element('inside').hidden = !isIn
}

element('sign-in').addEventListener('submit', async (event) => {
  event.preventDefault()
  const form = new URLSearchParams(new FormData(event.target))
  const answer = await ask('/account/sign-in', { method: 'POST', body: form })
  element('problem').textContent = answer.retMsg ?? ''
  if (answer.retCode === 0) event.target.reset()
  await show()
})

element('sign-out').addEventListener('click', async () => {
  await ask('/account/sign-out', { method: 'POST' })
  await show()
})

show()

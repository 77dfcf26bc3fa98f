// Services over HTTP: what curl and a browser see of the gateway.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'
import { freePorts } from './lib/ports.mjs'
import { Program, ROOT, run } from './lib/program.mjs'

const [port, users] = await freePorts(2)
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const site = `http://localhost:${port}`
const gateway = new Program('gateway', ['--port', `${port}`, '--users', `127.0.0.1:${users}`], / ready$/)

before(() => gateway.ready)
after(() => gateway.kill())

/** Status, headers and body, as `curl -i` prints them. */
async function curl(...args) {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-i', '--max-time', '10', ...args])
  const [head, body] = stdout.split('\r\n\r\n')
  const [status, ...headers] = head.split('\r\n')
  return { status, headers, body }
}

test("krpc's three forms of curl, in front of services that it has started itself", async () => {
  const url = `${site}/user/test1`
  for (const args of [
    [`${url}?userName=a&password=b`],
    ['-X', 'POST', url, '-H', 'Content-Type: application/x-www-form-urlencoded', '--data', 'userName=a&password=b'],
    ['-X', 'POST', url, '-H', 'Content-Type: application/json', '--data', '{"userName":"a","password":"b"}'],
  ]) {
    const { status, body } = await curl(...args)
    assert.equal(status, 'HTTP/1.1 200 OK')
    assert.equal(body, '{"retCode":0,"retMsg":"welcome","userId":"id of a"}')
  }
})

test('what is wrong is told', async () => {
  const refused = await curl(`${site}/user/test1?userName=a`)
  assert.equal(refused.body, '{"retCode":-100002,"retMsg":"user or password is wrong"}')
  const nowhere = await curl(`${site}/user/nowhere`)
  assert.match(nowhere.status, / 404 /)
  assert.equal(JSON.parse(nowhere.body).retCode, -661)
  const method = await curl('-X', 'DELETE', `${site}/user/test1`)
  assert.match(method.status, / 405 /)
  assert.ok(method.headers.some((line) => /^allow: /i.test(line)))
})

test('it knows services by the files that tangelo descriptor writes', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tangelo-'))
  t.after(() => rm(folder, { recursive: true }))
  for (const name of ['userservice.proto', 'accountservice.proto']) {
    const written = join(folder, `${name}.pb`)
    const { code, stderr } = await run('tangelo', ['descriptor', '--include-source-info', `examples/userservice/proto/${name}`, '-o', written], ROOT)
    assert.equal(code, 0, stderr)
    const known = await readFile(join(ROOT, 'examples/gateway/proto', `${name}.pb`))
    assert.deepEqual(await readFile(written), known, `write ${name}.pb again: see examples/gateway/README.md`)
  }
})

test('a session by curl', async () => {
  const stranger = await curl(`${site}/account/me`)
  assert.match(stranger.status, / 401 /)
  const login = await curl('--data', 'userName=anna&password=x', `${site}/account/sign-in`)
  const cookie = login.headers.find((line) => /^set-cookie: /i.test(line))
  assert.match(cookie, /^set-cookie: JSESSIONID=[^;]+; HttpOnly; SameSite=Lax; Path=\/$/i)
  const secret = cookie.match(/JSESSIONID=[^;]+/)[0]
  const me = await curl('-H', `Cookie: ${secret}`, `${site}/account/me?userId=somebody`)
  assert.deepEqual(JSON.parse(me.body), { retCode: 0, userId: 'id of anna', userName: 'anna' })
  const logout = await curl('-X', 'POST', '-H', `Cookie: ${secret}`, `${site}/account/sign-out`)
  assert.match(logout.status, / 200 /)
  assert.match((await curl('-H', `Cookie: ${secret}`, `${site}/account/me`)).status, / 401 /)
})

test('a browser: login, session, upload, download', async (t) => {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--headless', '--no-sandbox', '--disable-gpu'] })
  t.after(() => browser.close())
  const page = await (await browser.newContext({ acceptDownloads: true })).newPage()
  page.setDefaultTimeout(10_000)
  const faults = []
  page.on('pageerror', (error) => faults.push(error.message))
  const sees = (text) => page.getByText(text, { exact: true }).waitFor()

  await page.goto(`${site}/`)
  await sees('Nobody has signed in')
  await page.getByLabel('Name').fill('小明')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await sees('user or password is wrong')
  await page.getByLabel('Password').fill('x')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await sees('小明 is here')
  await page.reload()
  await sees('小明 is here')
  assert.equal(await page.evaluate('document.cookie'), '', 'no script sees the secret')

  await page.getByLabel('Files').setInputFiles([
    { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') },
    { name: '图.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(200_000) },
  ])
  await page.getByRole('button', { name: 'Upload' }).click()
  await sees('a.txt: 5 bytes')
  await sees('图.bin: 200000 bytes')
  const left = await readdir(join(ROOT, 'examples/gateway/incoming'))
  assert.deepEqual(left, ['.gitignore'], 'nothing stays')

  const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Your card').click()])
  assert.equal(download.suggestedFilename(), '小明.txt')
  assert.equal(await readFile(await download.path(), 'utf8'), 'This is the card of 小明.\n')

  await page.getByRole('button', { name: 'Sign out' }).click()
  await sees('Nobody has signed in')
  assert.match((await curl(`${site}/account/card`)).status, / 401 /)
  assert.deepEqual(faults, [])
})

test('nobody reads a password in its log', () => {
  const asked = gateway.lines.filter((line) => line.includes('/user/test1'))
  assert.ok(asked.length > 0)
  assert.ok(asked.some((line) => line.includes('password=***')))
  assert.ok(!asked.some((line) => line.includes('password=b')))
})

test('Ctrl-C: it drains and exits with 0', async () => {
  assert.equal(await gateway.stop(), 0)
})

// The service of users as two processes, and the command line instead of the second.
import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { freePorts } from './lib/ports.mjs'
import { Program, ROOT, run } from './lib/program.mjs'

const [port] = await freePorts(1)
const address = `127.0.0.1:${port}`
const server = new Program('userservice', ['server', '--port', `${port}`], / ready$/)

before(async () => {
  await server.ready
  const { stdout } = await run('tangelo', ['--version'])
  console.log(`client: userservice client, ${stdout.trim()}`)
})
after(() => server.kill())

const client = () => run('userservice', ['client', '--to', address])

test('the client calls in every manner there is', async () => {
  const { code, stdout, stderr } = await client()
  assert.equal(stderr, '')
  assert.deepEqual(stdout.trim().split('\n'), [
    'sync: id of abc',
    'async: doing other things',
    'async: id of abc',
    'listener: retCode=-100002, retMsg=user or password is wrong',
    'combined: id of anna, id of ming',
    'checked: user or password is wrong (-100002)',
    'one way: handed over',
    'push: id of anna has the number 123 now',
    'update: you have been told',
  ])
  assert.equal(code, 0)
})

test('without a client: tangelo descriptor, then tangelo call', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tangelo-'))
  t.after(() => rm(folder, { recursive: true }))
  await copyFile(join(ROOT, 'examples/userservice/proto/userservice.proto'), join(folder, 'userservice.proto'))
  const tangelo = (...args) => run('tangelo', args, folder)

  const described = await tangelo('descriptor', 'userservice.proto')
  assert.match(described.stdout, /^userservice\.proto\.pb\n +100 userservice\.UserService\n +1 +login\n +2 +updateProfile\n$/)
  // Nothing but the set is needed from here on.
  await rm(join(folder, 'userservice.proto'))

  const login = await tangelo('call', address, 'UserService.login', '{"userName":"a","password":"b"}')
  assert.deepEqual(login, { code: 0, stdout: '{\n  "retMsg": "welcome",\n  "userId": "id of a"\n}\n', stderr: '' })
  const refused = await tangelo('call', address, 'UserService.login', '{"userName":"a"}', '--compact')
  assert.deepEqual(refused, { code: 2, stdout: '{"retCode":-100002,"retMsg":"user or password is wrong"}\n', stderr: '' })
  // It serves no PushService.
  const update = await tangelo('call', address, '100.2', '{"userId":"a"}')
  assert.equal(update.code, 0)
  assert.match(update.stdout, /you could not be told: .* \(-627\)/)
})

test('Ctrl-C: the server drains and exits with 0, and then nobody is there', async () => {
  assert.equal(await server.stop(), 0)
  const told = server.lines.map((line) => line.match(/(draining|stopped)$/)?.[0]).filter(Boolean)
  assert.deepEqual(told, ['draining', 'stopped'])
  const { code, stderr } = await client()
  assert.equal(code, 1)
  assert.match(stderr, /^failed: no connection \(-600\)$/m)
})

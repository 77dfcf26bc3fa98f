// Pomelo as a side of the benchmark: one process of an application whose handlers echo and push.
//
//   node serve.js [--seconds N] front               a front end that answers by itself
//   node serve.js [--seconds N] back                a back end
//   node serve.js [--seconds N] forward --back ADDR a front end before it
//
// `--buffer-ms N` switches Pomelo's own buffers on: messages to a client, and those between servers, wait for
// a tick of so many milliseconds and leave together.
//
// Prints `listening ADDR`: the clients' door, the back end's RPC door. A front end speaks TCP and WebSocket.
'use strict';

const { parseArgs } = require('util');

// Pomelo says `new Buffer` throughout.
process.noDeprecation = true;

const { values: options, positionals: [role] } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '600' },
    back: { type: 'string' },
    'buffer-ms': { type: 'string' },
  },
});

// Pomelo wants a port from us before it has one from the system: see mend.js.
const RPC = 1;
const CLIENTS = 2;
const ROLES = {
  front: { id: 'connector-server-1', serverType: 'echo', clientPort: CLIENTS, frontend: true },
  back: { id: 'echo-server-1', serverType: 'echo', port: RPC },
  forward: { id: 'connector-server-1', serverType: 'connector', clientPort: CLIENTS, frontend: true },
};

const own = ROLES[role];
if (!own || (role === 'forward') !== Boolean(options.back)) {
  throw new Error('one of: front, back, forward --back ADDR');
}

// Nobody awaits us longer than this, so that no server is left behind.
setTimeout(() => process.exit(1), Number(options.seconds) * 1000).unref();

// Pomelo reads its own place in the world from the command line.
process.argv.length = 2;
process.argv.push('env=production', 'host=127.0.0.1');
process.argv.push(...Object.entries(own).map(([name, value]) => `${name}=${value}`));

const pomelo = require('pomelo');
const mend = require('./mend');

const app = pomelo.createApp({ base: __dirname });
app.set('connectorConfig', {
  connector: pomelo.connectors.hybridconnector,
  // No heartbeats: none fall due within a measurement on the other sides either.
  setNoDelay: true,
});
const tick = Number(options['buffer-ms'] ?? 0);
if (tick > 0) {
  app.set('pushSchedulerConfig', { scheduler: pomelo.pushSchedulers.buffer, flushInterval: tick });
  for (const end of ['proxyConfig', 'remoteConfig']) app.set(end, { bufferMsg: true, interval: tick });
}
// There is no master to hear from which servers there are: the one that counts is told below.
app.load('__monitor__', {});

app.start(async (error) => {
  if (error) throw error;
  mend.noDelay();
  if (role === 'forward') await connect(options.back);
  const address = await mend.address(role === 'back' ? RPC : CLIENTS);
  process.stdout.write(`listening ${address}\n`);
});

// Tells where the back end is, and waits for its answer to one message: Pomelo connects with the first.
async function connect(address) {
  const [host, port] = address.split(':');
  app.addServers([{ id: 'echo-server-1', serverType: 'echo', host, port: Number(port) }]);
  const message = { id: 1, route: 'echo.echoHandler.echo', body: 'ready?' };
  const session = { id: 1, frontendId: own.id, uid: null, settings: {} };
  const call = { namespace: 'sys', serverType: 'echo', service: 'msgRemote', method: 'forwardMessage' };
  await new Promise((resolve, reject) => {
    app.rpcInvoke('echo-server-1', { ...call, args: [message, session] }, (error, answer) => {
      if (answer === message.body) resolve();
      else reject(new Error(`the back end answered ${error ?? answer}`));
    });
  });
}

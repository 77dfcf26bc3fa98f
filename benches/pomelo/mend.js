// What has to be otherwise in Pomelo 2.2.7 for this benchmark. All of it is here, nothing in node_modules is changed.
'use strict';

const net = require('net');
const TcpSocket = require('pomelo/lib/connectors/hybrid/tcpsocket');

// One wrong argument: `{binary: true}` is passed on as the encoding of a write. Node ignored that
// until version 14; now it throws ERR_UNKNOWN_ENCODING, and no TCP client gets an answer.
TcpSocket.prototype.send = function send(bytes, options, callback) {
  this._socket.write(bytes, callback);
};

// Pomelo listens where it is told, on all interfaces. Here it listens on free ports of the loopback
// instead, and the port that it was told is the name under which to find out which.
const servers = new Map();
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function listenOnLoopback(port) {
  servers.set(port, this);
  return listen.call(this, 0, '127.0.0.1');
};

// The address where the server that was told `port` listens.
exports.address = async (port) => {
  const server = servers.get(port);
  if (!server.listening) {
    await new Promise((resolve) => server.once('listening', resolve));
  }
  const { address, port: bound } = server.address();
  return `${address}:${bound}`;
};

// Between servers Pomelo leaves Nagle's algorithm on, has no option for it, and writes each message in
// several pieces: with few requests under way an answer waits for a delayed acknowledgement, 40 ms.
// That would be a figure of Linux, not of Pomelo.
exports.noDelay = () => {
  const connect = net.createConnection;
  net.createConnection = (...to) => connect(...to).setNoDelay(true);
  for (const server of servers.values()) {
    server.on('connection', (socket) => socket.setNoDelay(true));
  }
};

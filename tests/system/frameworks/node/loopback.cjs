// Neither framework can be told to listen on 127.0.0.1 alone, and a test must not open a port to the world.
'use strict'

const { Server } = require('node:net')
const listen = Server.prototype.listen

Server.prototype.listen = function (port, ...rest) {
  if (!/^\d+$/.test(port)) throw new Error('loopback.cjs: only listen(port, …) is expected')
  return listen.call(this, Number(port), '127.0.0.1', ...rest)
}

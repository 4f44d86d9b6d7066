// Says of itself what the driver of MongoDB asks of a server, and answers every command with ok: enough to have a pool of
// connections to it. It listens on PORT of 127.0.0.1.
'use strict'

const net = require('node:net')
const { BSON } = require('mongodb')

const OP_QUERY = 2004
const OP_MSG = 2013
const hello = {
  ok: 1, helloOk: true, ismaster: true, isWritablePrimary: true, maxBsonObjectSize: 16777216, maxMessageSizeBytes: 48000000,
  maxWriteBatchSize: 100000, minWireVersion: 0, maxWireVersion: 17, readOnly: false, logicalSessionTimeoutMinutes: 30
}

net.createServer(socket => {
  let buffered = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', data => {
    buffered = Buffer.concat([buffered, data])
    while (buffered.length >= 4 && buffered.length >= buffered.readInt32LE(0)) {
      const message = buffered.subarray(0, buffered.readInt32LE(0))
      buffered = buffered.subarray(message.length)
      setTimeout(() => socket.write(answer(message)), 2)
    }
  })
}).listen(Number(process.env.PORT), '127.0.0.1')

function answer (message) {
  const body = BSON.serialize({ ...hello, localTime: new Date() })
  const kind = message.readInt32LE(12)
  const old = kind === OP_QUERY
  const head = Buffer.alloc(16 + (old ? 20 : 5))
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(1, 4)
  head.writeInt32LE(message.readInt32LE(4), 8)
  head.writeInt32LE(old ? 1 : OP_MSG, 12)
  if (old) head.writeInt32LE(1, 32) // one document
  return Buffer.concat([head, body])
}
